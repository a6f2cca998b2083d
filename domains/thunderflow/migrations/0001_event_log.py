"""The event log: partitioned by position, with the functions that number events and tell how far they are settled."""

from django.db import migrations, models

LOG = """
CREATE SEQUENCE event_position_seq;

CREATE TABLE events (
    position       bigint      NOT NULL DEFAULT nextval('event_position_seq'),
    seq            bigint      NOT NULL,
    at             timestamptz NOT NULL DEFAULT clock_timestamp(),
    id             uuid        NOT NULL,
    correlation_id uuid,
    causation_id   uuid,
    event_version  smallint    NOT NULL DEFAULT 1,
    priority       smallint    NOT NULL DEFAULT 0,
    stream         text        NOT NULL,
    topic          text        NOT NULL,
    actor          text        NOT NULL,
    node           text        NOT NULL,
    payload        jsonb       NOT NULL
) PARTITION BY RANGE (position);

-- Counters change with every publish: room on the page keeps their updates HOT.
CREATE TABLE event_streams (name text PRIMARY KEY, seq bigint NOT NULL) WITH (fillfactor = 30);
"""

# Keys of the shared lock are positions, taken with the one-bigint form; nothing else may use that form.
BEGIN = """
CREATE FUNCTION event_begin(names text[], counts bigint[]) RETURNS TABLE (name text, seq bigint)
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock_shared(coalesce(pg_sequence_last_value('event_position_seq'), 0));
    RETURN QUERY
        INSERT INTO event_streams AS s (name, seq)
        SELECT u.name, u.n FROM unnest(names, counts) AS u (name, n) ORDER BY u.name
        ON CONFLICT ON CONSTRAINT event_streams_pkey DO UPDATE SET seq = s.seq + excluded.seq
        RETURNING s.name, s.seq;
END $$;
"""

# The last value is read before the locks: an event above it cannot matter, one at or below it has its lock shown.
SETTLED = """
CREATE FUNCTION event_settled() RETURNS bigint LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    last bigint := coalesce(pg_sequence_last_value('event_position_seq'), 0);
    held bigint;
BEGIN
    SELECT min((l.classid::bigint << 32) | l.objid::bigint) INTO held
    FROM pg_locks l
    WHERE l.locktype = 'advisory' AND l.objsubid = 1 AND l.mode = 'ShareLock' AND l.granted
      AND l.database = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database());
    RETURN least(last, held);
END $$;
"""

# A leaf is made beside the table and attached, so that writers never wait for more than a moment.
LEAVES = """
CREATE FUNCTION event_ensure_leaves(leaf_size bigint, ahead integer) RETURNS integer LANGUAGE plpgsql AS $$
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
SELECT event_ensure_leaves(10000000, 4);
"""

UNDO = """
DROP FUNCTION event_ensure_leaves(bigint, integer);
DROP FUNCTION event_settled();
DROP FUNCTION event_begin(text[], bigint[]);
DROP TABLE events;
DROP TABLE event_streams;
DROP SEQUENCE event_position_seq;
"""


class Migration(migrations.Migration):
    initial = True
    dependencies = []
    operations = [
        migrations.RunSQL([LOG, BEGIN, SETTLED, LEAVES], UNDO),
        migrations.CreateModel(
            name="Event",
            fields=[
                ("position", models.BigIntegerField(primary_key=True, serialize=False)),
                ("seq", models.BigIntegerField()),
                ("at", models.DateTimeField()),
                ("id", models.UUIDField()),
                ("correlation_id", models.UUIDField(null=True)),
                ("causation_id", models.UUIDField(null=True)),
                ("event_version", models.SmallIntegerField()),
                ("priority", models.SmallIntegerField()),
                ("stream", models.TextField()),
                ("topic", models.TextField()),
                ("actor", models.TextField()),
                ("node", models.TextField()),
                ("payload", models.JSONField()),
            ],
            options={"db_table": "events", "ordering": ["-position"], "managed": False},
        ),
        migrations.CreateModel(
            name="Stream",
            fields=[
                ("name", models.TextField(primary_key=True, serialize=False)),
                ("seq", models.BigIntegerField()),
            ],
            options={"db_table": "event_streams", "managed": False},
        ),
    ]
