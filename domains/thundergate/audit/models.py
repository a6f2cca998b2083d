from __future__ import annotations

from django.db import models


class AuditEntry(models.Model):
    """One change of one object. The table is made by hand-written SQL, filled by triggers, and only added to."""

    class Action(models.TextChoices):
        """What was done."""

        CREATE = "create", "create"
        CHANGE = "change", "change"
        DELETE = "delete", "delete"
        TRUNCATE = "truncate", "truncate"  # all rows of the table

    class Door(models.TextChoices):
        """Where it came through."""

        ADMIN = "admin", "admin"
        PAGE = "page", "page"
        SOCKET = "socket", "socket"
        REST = "rest", "REST"
        MCP = "mcp", "MCP"
        COMMAND = "command", "command"
        SYSTEM = "system", "the system itself"  # what no person or program asked for
        SQL = "sql", "SQL"  # past the application

    id = models.BigAutoField(primary_key=True)
    at = models.DateTimeField(help_text="By the database's clock.")
    action = models.TextField(choices=Action)
    table = models.TextField(db_column="object_table")
    object_id = models.TextField()
    actor = models.TextField(help_text="user:<name>, operator, system, or the database's role.")
    door = models.TextField(choices=Door)
    address = models.TextField(help_text="Of who asked, as far as it is known.")
    user_id = models.UUIDField(null=True)
    key_id = models.TextField(help_text="The token or API key used.")
    request = models.TextField(help_text="What was asked for.")
    correlation_id = models.UUIDField(null=True, help_text="Shared with the events that it set off.")
    before = models.JSONField(null=True, help_text="Of the columns that changed; none: it was not there.")
    after = models.JSONField(null=True, help_text="Of the columns that changed; none: it is gone.")

    class Meta:
        managed = False
        db_table = "audit_log"
        ordering = ["-id"]
        verbose_name = "audit entry"
        verbose_name_plural = "audit entries"

    def __str__(self) -> str:
        return f"{self.action} {self.table} {self.object_id}"

    def changes(self) -> list[tuple[str, object, object]]:
        """Column, before, after; by name. What was not there is None."""
        before, after = self.before or {}, self.after or {}
        return [(name, before.get(name), after.get(name)) for name in sorted({*before, *after})]
