"""What operators set on who follows the log, and who owns namespaces. Entries of the blackboard have their versions."""

from domains.audit import watch

watch("event_subscriptions", "name", "pattern", "shards", "paused", "paused_by")
watch("event_dead_letters", "resolved_by", made=False, deleted=False)
watch("circuit_breakers", "name", "state", key="name")
watch("blackboard_namespaces", "name", "owner", "writers", key="name")
