"""People, what they may do, and how they are let in. Passwords change without being said."""

from domains.audit import watch

watch("users", "username", "first_name", "last_name", "email", "is_active", "is_staff", "is_superuser",
      secret=["password"])  # fmt: skip
watch("users_groups", "user_id", "group_id")
watch("users_user_permissions", "user_id", "permission_id")
watch("auth_group", "name")
watch("auth_group_permissions", "group_id", "permission_id")
# Expired ones are swept by the minute, which says nothing.
watch("access_tokens", "user_id", "agent_id", "expires_at", "revoked_at", "revoked_by", "reason", deleted=False)
# When a key was last used says its own row.
watch(
    "api_keys", "name", "prefix", "owner_id", "agent_id", "scopes", "expires_at", "revoked_at", "revoked_by", "reason"
)
watch("memory_grants", "user_id", "agent_id", "granted_by", "expires_at")
watch("alert_rules", "name", "enabled", "severity", "kind", "metric", "labels", "comparison", "threshold",
      "topic", "count", "seconds", "hint")  # fmt: skip
watch("alerts", "acknowledged_by", "acknowledged_at", made=False, deleted=False)
watch("django_celery_beat_periodictask", "name", "task", "enabled", "args", "kwargs", "queue", "one_off",
      "interval_id", "crontab_id")  # fmt: skip
