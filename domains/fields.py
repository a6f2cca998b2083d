"""Columns that Django has no field for."""

from __future__ import annotations

from typing import Any

from django.db import models


class WrittenJSONField(models.JSONField):
    """PostgreSQL's `json`: kept as it was written, for what is written often and looked into seldom.

    Half the cost of `jsonb` to write. It cannot be compared or indexed; `->` and `->>` work.
    """

    def db_type(self, connection: Any) -> str:
        return "json"

    def from_db_value(self, value: Any, expression: Any, connection: Any) -> Any:
        return value  # psycopg has decoded it
