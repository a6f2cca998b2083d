"""Equal texts of an agent become one from here on. Those that are there more than once stay, for upkeep to merge.

Not in one transaction: it goes over the whole table in batches, and begins again where it was when it is killed.
"""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models

from memory.texts import digest

BATCH = 5000

NEXT = """
SELECT id, content FROM memory_nodes WHERE content_hash IS NULL AND id > %s ORDER BY id LIMIT %s
"""
FILL = """
UPDATE memory_nodes m SET content_hash = u.hash, last_seen_at = m.inserted_at
FROM unnest(%s::uuid[], %s::bytea[]) AS u (id, hash) WHERE m.id = u.id
"""
DOUBLES = """
UPDATE memory_nodes m SET content_hash = NULL FROM (
    SELECT id, row_number() OVER (PARTITION BY agent_id, content_hash, valid_to ORDER BY id) AS place
    FROM memory_nodes WHERE content_hash IS NOT NULL
) d WHERE d.id = m.id AND d.place > 1
"""
UNIQUE = """
CREATE UNIQUE INDEX CONCURRENTLY memory_content_unique ON memory_nodes (agent_id, content_hash, valid_to)
NULLS NOT DISTINCT WHERE content_hash IS NOT NULL
"""


def fill(apps, schema_editor):
    """Hash every text."""
    last = "00000000-0000-0000-0000-000000000000"
    with schema_editor.connection.cursor() as cursor:
        while True:
            cursor.execute(NEXT, [last, BATCH])
            rows = cursor.fetchall()
            if not rows:
                break
            cursor.execute(FILL, [[row[0] for row in rows], [digest(row[1]) for row in rows]])
            last = rows[-1][0]
        cursor.execute(DOUBLES)


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("memory", "0003_store")]
    operations = [
        # One that was broken off leaves an index behind that is of no use.
        migrations.RunSQL(
            ["DROP INDEX CONCURRENTLY IF EXISTS memory_content_unique"], migrations.RunSQL.noop
        ),
        migrations.RunSQL(["DROP INDEX CONCURRENTLY IF EXISTS memory_nodes_waiting"], migrations.RunSQL.noop),
        migrations.RunPython(fill, migrations.RunPython.noop),
        migrations.RunSQL(
            [UNIQUE],
            ["DROP INDEX memory_content_unique"],
            state_operations=[
                migrations.AddConstraint(
                    "memorynode",
                    models.UniqueConstraint(
                        condition=models.Q(("content_hash__isnull", False)),
                        fields=("agent", "content_hash", "valid_to"),
                        name="memory_content_unique",
                        nulls_distinct=False,
                    ),
                )
            ],
        ),
        AddIndexConcurrently(
            "memorynode",
            models.Index(condition=models.Q(("embedder", "")), fields=["id"], name="memory_nodes_waiting"),
        ),
    ]
