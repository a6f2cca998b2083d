"""What agents put on the blackboard waits here for the end of its world tick."""

import django.db.models.deletion
from django.db import migrations, models

import domains.fields


class Migration(migrations.Migration):
    dependencies = [("agents", "0006_minds_and_messages"), ("zones", "0002_storage")]
    operations = [
        migrations.CreateModel(
            name="BoardWrite",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("zone_id", models.UUIDField(help_text="Where it was put from.")),
                ("tick", models.BigIntegerField()),
                ("agent_id", models.UUIDField()),
                ("ordinal", models.IntegerField(help_text="Of the agent.")),
                ("key", models.CharField(max_length=500)),
                ("value", domains.fields.WrittenJSONField()),
                ("expect", models.BigIntegerField(null=True)),
                ("author", models.CharField(max_length=200)),
                (
                    "world",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="+", to="zones.world"
                    ),
                ),
            ],
            options={"db_table": "agent_board_writes"},
        ),
    ]
