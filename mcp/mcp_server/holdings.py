"""What this app keeps: names of tools and of roles, and what outside servers say of theirs, whoever it names."""

from __future__ import annotations

from domains.redaction import harmless, register
from domains.redaction.rules import JSON, NAMED, TEXT
from domains.redaction.tables import Table

register(
    Table("outside_servers", key={"id": "uuid"}, columns={"last_error": TEXT}, secret=["token"]),
    Table(
        "outside_tools", key={"id": "bigint"},
        columns={
            "title": NAMED, "description": NAMED, "input_schema": JSON, "output_schema": JSON, "unfit": TEXT,
        },
    ),
)  # fmt: skip
harmless("tool_settings", "name")
harmless("tool_settings_roles", "toolsetting_id")
harmless("outside_servers", "name", "url")
harmless("outside_tools", "name")
