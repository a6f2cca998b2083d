"""An operator's wishes, not what domains find out."""

from domains.audit import watch

watch("active_domain_registry", "domain_name", "enabled")
watch("retention_policies", "store", "enabled", "keep_days", "max_bytes")
