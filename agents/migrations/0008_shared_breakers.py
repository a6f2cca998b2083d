"""An endpoint's circuit breaker is a row of thunderflow's; what is left is how long an endpoint asked to be left alone."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("agents", "0007_board_writes")]
    operations = [
        migrations.RemoveField("endpoint", "failures"),
        migrations.RenameField("endpoint", "open_until", "rests_until"),
        migrations.AlterField(
            "endpoint",
            "rests_until",
            models.DateTimeField(null=True, editable=False, help_text="It asked to be left alone until then."),
        ),
    ]
