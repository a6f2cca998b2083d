"""How long a world's ticks take, from due to done: one tick after the other is timed."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("zones", "0003_assigned_server")]
    operations = [
        migrations.AddField(
            "world",
            "timed_tick",
            models.BigIntegerField(default=0, editable=False, help_text="The tick that is timed."),
        ),
        migrations.AddField(
            "world",
            "timed_from",
            models.DateTimeField(editable=False, help_text="When it became due; none: it is done.", null=True),
        ),
        migrations.AddField(
            "world",
            "took_ms",
            models.FloatField(editable=False, help_text="From due to done, of the last that was timed.", null=True),
        ),
    ]
