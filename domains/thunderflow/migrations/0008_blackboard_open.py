"""Locking namespaces and looking at entries in one round trip."""

from django.db import migrations

# Volatile: each statement in it has a snapshot of its own, so the look sees what the one waited for has committed. For
# the same reason it goes by the time after the wait.
OPEN = """
CREATE FUNCTION blackboard_open(wanted text[]) RETURNS TABLE (
    key text, looked_at timestamptz, seq bigint, version bigint, author text, expired boolean, owner text, writers text
)
LANGUAGE plpgsql VOLATILE AS $$
#variable_conflict use_column
DECLARE
    streams text[];
    counted bigint[];
    now timestamptz;
BEGIN
    SELECT array_agg(DISTINCT 'blackboard:' || split_part(w, '.', 1)) INTO streams FROM unnest(wanted) AS w;
    SELECT array_agg(b.name), array_agg(b.seq) INTO streams, counted
    FROM event_begin(streams, array_fill(0::bigint, ARRAY[cardinality(streams)])) AS b;
    now := clock_timestamp();
    RETURN QUERY
        SELECT w.key, now, counted[array_position(streams, 'blackboard:' || n.name)], e.version,
               e.author::text, e.expires_at <= now, o.owner::text, o.writers::text
        FROM unnest(wanted) AS w (key)
        CROSS JOIN LATERAL split_part(w.key, '.', 1) AS n (name)
        LEFT JOIN blackboard_entries e ON e.key = w.key
        LEFT JOIN blackboard_namespaces o ON o.name = n.name;
END $$;
"""


class Migration(migrations.Migration):
    dependencies = [("thunderflow", "0007_seals")]
    operations = [migrations.RunSQL(OPEN, "DROP FUNCTION blackboard_open(text[])")]
