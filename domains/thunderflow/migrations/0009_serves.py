"""Followers name whom they serve. One of an older release names nobody, and is reckoned with for nothing."""

from django.contrib.postgres.fields import ArrayField
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("thunderflow", "0008_blackboard_open")]
    operations = [
        migrations.AddField(
            model_name="follower",
            name="serves",
            field=ArrayField(
                models.CharField(max_length=100),
                db_default=[],
                default=list,
                help_text="Subscribers that its code declares.",
            ),
        ),
    ]
