"""Pulses say how long the worlds' ticks take."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("agents", "0011_outside_calls"), ("zones", "0004_timed_ticks")]
    operations = [
        migrations.AddField(
            "worldpulse",
            "took_ms",
            models.FloatField(help_text="From due to done, of the latest tick that was timed.", null=True),
        ),
    ]
