"""Vectors lie in their rows, uncompressed: reading them out of line would cost more than comparing them."""

from django.db import migrations

VECTORS = """
ALTER TABLE memory_nodes ALTER COLUMN embedding SET STORAGE PLAIN;
"""


class Migration(migrations.Migration):
    dependencies = [("memory", "0001_initial")]
    operations = [migrations.RunSQL(VECTORS, migrations.RunSQL.noop)]
