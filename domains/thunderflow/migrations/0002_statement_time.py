"""Events take the time of their statement: a default that differs by row keeps COPY from writing pages at a time."""

from django.db import migrations


def _default(function: str) -> str:
    return f"""
DO $$
DECLARE
    leaf regclass;
BEGIN
    ALTER TABLE events ALTER COLUMN at SET DEFAULT {function}();
    FOR leaf IN SELECT inhrelid FROM pg_inherits WHERE inhparent = 'events'::regclass LOOP
        EXECUTE format('ALTER TABLE %s ALTER COLUMN at SET DEFAULT {function}()', leaf);
    END LOOP;
END $$;
"""


class Migration(migrations.Migration):
    dependencies = [("thunderflow", "0001_event_log")]
    operations = [migrations.RunSQL(_default("statement_timestamp"), _default("clock_timestamp"))]
