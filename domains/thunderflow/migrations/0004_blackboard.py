"""The blackboard: entries by key, forwards and backwards, and namespaces with owners."""

import django.db.models.functions.datetime
from django.db import migrations, models

import domains.fields


class Migration(migrations.Migration):
    dependencies = [("thunderflow", "0003_subscriptions")]
    operations = [
        migrations.CreateModel(
            name="Entry",
            fields=[
                ("key", models.CharField(db_collation="C", max_length=500, primary_key=True, serialize=False)),
                ("value", domains.fields.WrittenJSONField()),
                ("version", models.BigIntegerField(help_text="Place of its latest event in the namespace's stream.")),
                ("author", models.CharField(help_text="Who put it, as events name actors.", max_length=200)),
                (
                    "expires_at",
                    models.DateTimeField(
                        blank=True, help_text="From then on it is as if it were not there.", null=True
                    ),
                ),
                ("updated_at", models.DateTimeField()),
            ],
            options={
                "verbose_name_plural": "entries",
                "db_table": "blackboard_entries",
                "ordering": ["key"],
                "indexes": [
                    models.Index(models.Func("key", function="reverse"), name="blackboard_backwards"),
                    models.Index(
                        condition=models.Q(("expires_at__isnull", False)),
                        fields=["expires_at"],
                        name="blackboard_expiring",
                    ),
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("version__gte", 1)), name="blackboard_version_positive"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="Namespace",
            fields=[
                ("name", models.CharField(db_collation="C", max_length=500, primary_key=True, serialize=False)),
                (
                    "owner",
                    models.CharField(
                        help_text="Who it belongs to, as events name actors: user:<name>.", max_length=200
                    ),
                ),
                (
                    "writers",
                    models.CharField(
                        choices=[("everybody", "everybody"), ("owner", "the owner")],
                        default="everybody",
                        max_length=10,
                    ),
                ),
                (
                    "inserted_at",
                    models.DateTimeField(auto_now_add=True, db_default=django.db.models.functions.datetime.Now()),
                ),
                (
                    "updated_at",
                    models.DateTimeField(auto_now=True, db_default=django.db.models.functions.datetime.Now()),
                ),
            ],
            options={
                "db_table": "blackboard_namespaces",
                "ordering": ["name"],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("writers__in", ["everybody", "owner"])), name="blackboard_writers_known"
                    )
                ],
            },
        ),
        # Room on the page for what is put again and again: its updates stay HOT.
        migrations.RunSQL("ALTER TABLE blackboard_entries SET (fillfactor = 80)", migrations.RunSQL.noop),
    ]
