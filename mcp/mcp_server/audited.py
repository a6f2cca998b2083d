"""Which tools are on, and for whom; which outside servers are known, and where theirs may be used."""

from domains.audit import watch

watch("tool_settings", "name", "enabled", key="name")
watch("tool_settings_roles", "toolsetting_id", "group_id")
watch("outside_servers", "name", "url", "enabled", "timeout_s", "calls_per_minute", "agent_calls_per_minute",
      "max_in_flight", secret=["token"])  # fmt: skip
watch("outside_tools", "server_id", "name", "enabled", made=False)
watch("outside_tools_roles", "outsidetool_id", "group_id")
watch("outside_tools_worlds", "outsidetool_id", "world_id")
