"""A zone's server is a node's id. The column was never written: it is replaced, not rewritten."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("zones", "0002_storage")]
    operations = [
        migrations.RemoveField("zone", "assigned_server"),
        migrations.AddField(
            "zone",
            "assigned_server",
            models.UUIDField(blank=True, help_text="The node that clients are sent to.", null=True),
        ),
        migrations.AddIndex(
            "zone",
            models.Index(
                condition=models.Q(("active_session_count__gt", 0)), fields=["assigned_server"], name="pac_zones_watched"
            ),
        ),
    ]
