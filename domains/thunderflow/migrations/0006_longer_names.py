"""Owners and authors on the blackboard name an agent's world too. PostgreSQL rewrites nothing for a longer varchar."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("thunderflow", "0005_leaves")]
    operations = [
        migrations.AlterField(
            model_name="namespace",
            name="owner",
            field=models.CharField(help_text="user:<name>, or agent:<name>@<world>.", max_length=500),
        ),
        migrations.AlterField(
            model_name="entry",
            name="author",
            field=models.CharField(help_text="Who put it, as it owns namespaces.", max_length=500),
        ),
    ]
