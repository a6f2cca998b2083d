"""What others lean on is found by an index of its own, made while edges are written."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("memory", "0008_upkeep")]
    operations = [
        # One that was broken off leaves an index behind that is of no use.
        migrations.RunSQL(["DROP INDEX CONCURRENTLY IF EXISTS memory_edges_leaning"], migrations.RunSQL.noop),
        AddIndexConcurrently(
            "memoryedge",
            models.Index(
                condition=models.Q(("relation__in", ["causal", "hierarchical"])),
                fields=["target", "relation"],
                name="memory_edges_leaning",
            ),
        ),
    ]
