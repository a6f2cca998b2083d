"""The table of requests that were done under a key comes from REST, as other doors have it too; its rows stay."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models
from django.db.models import F, Q

RENAMED = """
ALTER TABLE api_repeatable_requests RENAME TO repeatable_requests;
ALTER INDEX api_repeatable_expiry RENAME TO repeatable_expiry;
ALTER TABLE repeatable_requests RENAME CONSTRAINT api_repeatable_once TO repeatable_once;
ALTER TABLE repeatable_requests RENAME CONSTRAINT api_repeatable_has_a_life TO repeatable_has_a_life;
ALTER TABLE repeatable_requests DROP CONSTRAINT api_repeatable_was_done;
ALTER TABLE repeatable_requests ADD CONSTRAINT repeatable_was_done
    CHECK (status = 102 OR status >= 200 AND status < 400);
"""
NAMED_BACK = """
DELETE FROM repeatable_requests WHERE status NOT BETWEEN 200 AND 299;
ALTER TABLE repeatable_requests DROP CONSTRAINT repeatable_was_done;
ALTER TABLE repeatable_requests RENAME CONSTRAINT repeatable_has_a_life TO api_repeatable_has_a_life;
ALTER TABLE repeatable_requests RENAME CONSTRAINT repeatable_once TO api_repeatable_once;
ALTER INDEX repeatable_expiry RENAME TO api_repeatable_expiry;
ALTER TABLE repeatable_requests RENAME TO api_repeatable_requests;
ALTER TABLE api_repeatable_requests ADD CONSTRAINT api_repeatable_was_done CHECK (status >= 200 AND status < 300);
"""


class Migration(migrations.Migration):
    dependencies = [
        ("thundergate", "0007_keys"),
        ("api", "0002_repeatable_requests_elsewhere"),
    ]

    operations = [
        migrations.SeparateDatabaseAndState(
            database_operations=[migrations.RunSQL(RENAMED, NAMED_BACK)],
            state_operations=[
                migrations.CreateModel(
                    name="Repeatable",
                    fields=[
                        ("id", models.BigAutoField(primary_key=True, serialize=False)),
                        ("key", models.CharField(max_length=255)),
                        ("fingerprint", models.BinaryField(help_text="Of what was asked.", max_length=32)),
                        ("status", models.SmallIntegerField()),
                        ("headers", models.JSONField(default=dict)),
                        ("body", models.TextField(blank=True, default="")),
                        ("inserted_at", models.DateTimeField()),
                        ("expires_at", models.DateTimeField()),
                        (
                            "user",
                            models.ForeignKey(
                                on_delete=django.db.models.deletion.CASCADE,
                                related_name="+",
                                to=settings.AUTH_USER_MODEL,
                            ),
                        ),
                    ],
                    options={
                        "db_table": "repeatable_requests",
                        "verbose_name": "repeatable request",
                        "indexes": [models.Index(fields=["expires_at"], name="repeatable_expiry")],
                        "constraints": [
                            models.UniqueConstraint(fields=("user", "key"), name="repeatable_once"),
                            models.CheckConstraint(
                                condition=Q(expires_at__gt=F("inserted_at")), name="repeatable_has_a_life"
                            ),
                            models.CheckConstraint(
                                condition=Q(status=102) | Q(status__gte=200, status__lt=400),
                                name="repeatable_was_done",
                            ),
                        ],
                    },
                ),
            ],
        ),
    ]
