"""What Django has no words for: the partitioned tick log, and pages that leave room for HOT updates."""

from django.db import migrations

LOG = """
CREATE TABLE tick_logs (
    id              uuid        NOT NULL,
    agent_id        uuid        NOT NULL,
    zone_id         uuid        NOT NULL,
    tick_number     bigint      NOT NULL,
    world_tick      bigint      NOT NULL,
    inserted_at     timestamptz NOT NULL,
    processing_time float8      NOT NULL,
    confidence      float8      NOT NULL,
    state_hash      bytea       NOT NULL,
    action          text        NOT NULL,
    reasoning       text        NOT NULL,
    narrative       text        NOT NULL,
    decision        jsonb       NOT NULL,
    review          jsonb       NOT NULL,
    stat_changes    jsonb       NOT NULL,
    state_changes   jsonb       NOT NULL,
    memories        jsonb       NOT NULL,
    stage_ms        jsonb       NOT NULL,
    usage           jsonb,
    error           text
) PARTITION BY RANGE (inserted_at);
"""

# Ids are UUIDv7, so rows lie in their order: a BRIN index finds one row for next to nothing.
LEAVES = """
CREATE FUNCTION tick_log_ensure_leaves(from_instant timestamptz, days_ahead integer) RETURNS integer
LANGUAGE plpgsql AS $$
DECLARE
    first date := (from_instant AT TIME ZONE 'UTC')::date;
    day date;
    leaf text;
    made integer := 0;
BEGIN
    PERFORM pg_advisory_xact_lock(1163284301, 2);
    FOR n IN 0 .. days_ahead LOOP
        day := first + n;
        leaf := 'tick_logs_' || to_char(day, 'YYYYMMDD');
        CONTINUE WHEN to_regclass(leaf) IS NOT NULL;
        EXECUTE format('CREATE TABLE %I (LIKE tick_logs INCLUDING DEFAULTS)', leaf);
        EXECUTE format('ALTER TABLE %I ADD CONSTRAINT %I UNIQUE (agent_id, tick_number)', leaf, leaf || '_agent_tick');
        EXECUTE format('CREATE INDEX %I ON %I USING brin (id) WITH (pages_per_range = 16)', leaf || '_id', leaf);
        EXECUTE format('ALTER TABLE tick_logs ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', leaf,
                       day::timestamp AT TIME ZONE 'UTC', (day + 1)::timestamp AT TIME ZONE 'UTC');
        made := made + 1;
    END LOOP;
    RETURN made;
END $$;
SELECT tick_log_ensure_leaves(now(), 7);
"""

# Ticks rewrite every agent's row, and the row doubles as its working memory fills: with free space on the page the
# new version needs no index entry.
PAGES = """
ALTER TABLE pac_agents SET (fillfactor = 35, autovacuum_vacuum_scale_factor = 0.05);
"""


class Migration(migrations.Migration):
    dependencies = [("agents", "0002_initial")]
    operations = [
        migrations.RunSQL([LOG, LEAVES], "DROP FUNCTION tick_log_ensure_leaves(timestamptz, integer); DROP TABLE tick_logs;"),
        migrations.RunSQL(PAGES, migrations.RunSQL.noop),
    ]
