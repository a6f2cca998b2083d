"""What the words of a memory are, for ranking; see `memory.recall.signatures`.

Not in one transaction: it goes over the whole table in batches; when it is killed it begins again.
"""

from django.db import migrations, models
from django.db.models import Value

from memory.recall.signatures import pack

BATCH = 5000

NEXT = """
SELECT id, content FROM memory_nodes WHERE signature = '\\x00000000' AND id > %s ORDER BY id LIMIT %s
"""
FILL = """
UPDATE memory_nodes m SET signature = u.signature
FROM unnest(%s::uuid[], %s::bytea[]) AS u (id, signature) WHERE m.id = u.id
"""


def fill(apps, schema_editor):
    """Sign every text."""
    last = "00000000-0000-0000-0000-000000000000"
    with schema_editor.connection.cursor() as cursor:
        while True:
            cursor.execute(NEXT, [last, BATCH])
            rows = cursor.fetchall()
            if not rows:
                break
            cursor.execute(FILL, [[row[0] for row in rows], [pack(row[1]) for row in rows]])
            last = rows[-1][0]


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("memory", "0005_graph")]
    operations = [
        migrations.AddField(
            model_name="memorynode",
            name="signature",
            field=models.BinaryField(
                db_default=Value(b"\0\0\0\0"),
                default=b"\0\0\0\0",
                editable=False,
                help_text="The words of the text and what is noted about it, for ranking.",
            ),
        ),
        migrations.RunPython(fill, migrations.RunPython.noop),
    ]
