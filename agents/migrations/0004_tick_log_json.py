"""The tick log keeps its JSON as it was written: half the cost to append."""

from django.db import migrations

COLUMNS = ("decision", "review", "stat_changes", "state_changes", "memories", "stage_ms", "usage")


def _as(kind: str) -> str:
    changes = ", ".join(f"ALTER COLUMN {name} TYPE {kind} USING {name}::{kind}" for name in COLUMNS)
    return f"ALTER TABLE tick_logs {changes};"


class Migration(migrations.Migration):
    dependencies = [("agents", "0003_storage")]
    operations = [migrations.RunSQL(_as("json"), _as("jsonb"))]
