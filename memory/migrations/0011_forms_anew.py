"""Texts have other forms than before: all are compared once more, a batch at a time, as upkeep comes by."""

from __future__ import annotations

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("memory", "0010_health")]

    operations = [
        migrations.RunSQL("UPDATE memory_forms SET form = NULL WHERE form IS NOT NULL", migrations.RunSQL.noop)
    ]
