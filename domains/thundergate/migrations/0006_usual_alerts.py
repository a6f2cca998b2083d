"""Rules that every installation begins with. They are rows like any other, and a name that is taken is left alone."""

from django.db import migrations

RULES = [
    {
        "name": "Heartbeat late", "severity": "critical", "metric": "thunderline_heartbeat_gap_seconds", "threshold": 10,
        "hint": "Nothing ticks between two heartbeats: is the machine overloaded, or was the scheduler restarted?",
    },
    {
        "name": "Workers behind", "severity": "critical", "metric": "thunderline_workers_behind", "threshold": 5,
        "seconds": 20, "hint": "Workers do not take their work: see their log, and whether they run.",
    },
    {
        "name": "A web process died", "severity": "warning", "kind": "event", "topic": "system.node_died",
        "seconds": 600, "hint": "It did not say goodbye: see its log.",
    },
    {
        "name": "Dead letters pile up", "metric": "thunderline_dead_letters_waiting", "threshold": 10, "seconds": 60,
        "hint": "Events that a subscriber could not handle: read them, mend it, and send them again.",
    },
    {
        "name": "Streams held back", "metric": "thunderline_parked_streams", "threshold": 0, "seconds": 600,
        "hint": "A subscriber fails on the same event again and again.",
    },
    {
        "name": "A breaker is open", "metric": "thunderline_breaker_open", "threshold": 0, "seconds": 60,
        "hint": "What it guards fails, and is left alone for a while.",
    },
    {
        "name": "Upkeep of memories is late", "metric": "thunderline_memory_upkeep_lag_seconds", "threshold": 7200,
        "seconds": 600, "hint": "More memories come than the upkeep can look after, or it does not run.",
    },
    {
        "name": "Disk low", "metric": "thunderline_disk_level", "threshold": 0, "seconds": 60,
        "hint": "Keep less (manage.py retention), or give it more room.",
    },
    {
        "name": "Disk nearly full", "severity": "critical", "metric": "thunderline_disk_level", "threshold": 1,
        "hint": "Worlds stand still until there is room.",
    },
    {
        "name": "Database large", "metric": "thunderline_database_bytes", "threshold": 50_000_000_000, "seconds": 600,
        "hint": "Keep less (manage.py retention), or raise this rule's threshold.",
    },
]


def begin(apps, schema_editor):
    rules = apps.get_model("thundergate", "AlertRule").objects
    for rule in RULES:
        rules.get_or_create(name=rule["name"], defaults=rule)


class Migration(migrations.Migration):

    dependencies = [
        ('thundergate', '0005_alerts'),
    ]

    operations = [
        migrations.RunPython(begin, migrations.RunPython.noop),
    ]
