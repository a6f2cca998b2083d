"""Other doors keep what was done under a key too: the table is `thundergate`'s from here on."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [
        ("api", "0001_repeatable_requests"),
    ]

    operations = [
        migrations.SeparateDatabaseAndState(state_operations=[migrations.DeleteModel(name="Repeatable")]),
    ]
