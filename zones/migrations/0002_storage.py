"""Zones and worlds change with every tick: room on their pages, and vacuums that come often."""

from django.db import migrations

PAGES = """
ALTER TABLE pac_zones SET (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.05);
ALTER TABLE worlds SET (fillfactor = 50);
"""


class Migration(migrations.Migration):
    dependencies = [("zones", "0001_initial")]
    operations = [migrations.RunSQL(PAGES, migrations.RunSQL.noop)]
