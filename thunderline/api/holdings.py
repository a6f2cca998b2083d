"""Replies that are kept for a day for who asks again: those of or about the subject go."""

from __future__ import annotations

from domains.redaction import harmless, register
from domains.redaction.rules import TEXT
from domains.redaction.tables import Table

register(
    Table(
        "api_repeatable_requests", key={"id": "bigint"}, columns={"key": TEXT, "body": TEXT}, removes="concerned",
        own="t.user_id = %(user)s::uuid",
    )
)  # fmt: skip
harmless("api_repeatable_requests", "fingerprint", "headers")
