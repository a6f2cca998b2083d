"""Leaves of any size: each begins where the highest ends. Empty ones that a new installation had ahead make way."""

from django.db import migrations

BOUNDS = r"""
CREATE FUNCTION event_leaf_bounds() RETURNS TABLE (leaf regclass, low bigint, high bigint)
LANGUAGE sql VOLATILE AS $$
    SELECT c.oid::regclass, substring(b.bound FROM 'FROM \(''?(-?\d+)')::bigint,
           substring(b.bound FROM 'TO \(''?(-?\d+)')::bigint
    FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid, LATERAL pg_get_expr(c.relpartbound, c.oid) AS b (bound)
    WHERE i.inhparent = 'events'::regclass AND NOT i.inhdetachpending
$$;
"""

# The bounds are read after the lock: who waited for it sees what the other has made. Should the sequence be past all
# leaves, the next one has its last value.
LEAVES = """
CREATE OR REPLACE FUNCTION event_ensure_leaves(leaf_size bigint, ahead integer) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
    last bigint := coalesce(pg_sequence_last_value('event_position_seq'), 0);
    top bigint;
    ready integer;
    leaf text;
    made integer := 0;
BEGIN
    PERFORM pg_advisory_xact_lock(1163284301, 1);
    SELECT coalesce(max(b.high), 0), count(*) FILTER (WHERE b.low > last) INTO top, ready FROM event_leaf_bounds() b;
    IF top <= last THEN
        top := greatest(top, last - last % leaf_size);
        ready := -1;
    END IF;
    WHILE ready < ahead LOOP
        leaf := format('events_p%s', top);
        EXECUTE format('CREATE TABLE %I (LIKE events INCLUDING DEFAULTS)', leaf);
        EXECUTE format('ALTER TABLE %I ADD PRIMARY KEY (position)', leaf);
        EXECUTE format('ALTER TABLE %I ADD CONSTRAINT %I UNIQUE (stream, seq)', leaf, leaf || '_stream_seq');
        EXECUTE format('ALTER TABLE events ATTACH PARTITION %I FOR VALUES FROM (%s) TO (%s)',
                       leaf, top, top + leaf_size);
        top := top + leaf_size;
        ready := ready + 1;
        made := made + 1;
    END LOOP;
    RETURN made;
END $$;
"""

SMALLER = """
DO $$
DECLARE
    found record;
    last bigint := coalesce(pg_sequence_last_value('event_position_seq'), 0);
BEGIN
    FOR found IN SELECT * FROM event_leaf_bounds() b WHERE b.low > last OR last = 0 LOOP
        EXECUTE format('DROP TABLE %s', found.leaf);
    END LOOP;
    PERFORM event_ensure_leaves(1000000, 4);
END $$;
"""

BEFORE = """
CREATE OR REPLACE FUNCTION event_ensure_leaves(leaf_size bigint, ahead integer) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
    current bigint := coalesce(pg_sequence_last_value('event_position_seq'), 0) / leaf_size;
    leaf text;
    made integer := 0;
BEGIN
    PERFORM pg_advisory_xact_lock(1163284301, 1);
    FOR n IN current .. current + ahead LOOP
        leaf := format('events_p%s', n * leaf_size);
        CONTINUE WHEN to_regclass(leaf) IS NOT NULL;
        EXECUTE format('CREATE TABLE %I (LIKE events INCLUDING DEFAULTS)', leaf);
        EXECUTE format('ALTER TABLE %I ADD PRIMARY KEY (position)', leaf);
        EXECUTE format('ALTER TABLE %I ADD CONSTRAINT %I UNIQUE (stream, seq)', leaf, leaf || '_stream_seq');
        EXECUTE format('ALTER TABLE events ATTACH PARTITION %I FOR VALUES FROM (%s) TO (%s)',
                       leaf, n * leaf_size, (n + 1) * leaf_size);
        made := made + 1;
    END LOOP;
    RETURN made;
END $$;
DROP FUNCTION event_leaf_bounds();
"""


class Migration(migrations.Migration):
    dependencies = [("thunderflow", "0004_blackboard")]
    operations = [migrations.RunSQL([BOUNDS, LEAVES, SMALLER], BEFORE)]
