"""Persistence holds nothing about anybody but what a failure's reason may say."""

from domains.redaction import harmless, register
from domains.redaction.rules import JSONB, TEXT
from domains.redaction.tables import Table

register(Table("active_domain_registry", key={"domain_name": "text"}, columns={"reason": TEXT, "metadata": JSONB}))
harmless("active_domain_registry", "domain_name", "status")
harmless("retention_policies", "store", "held_by")
harmless("disk_watch", "level")
