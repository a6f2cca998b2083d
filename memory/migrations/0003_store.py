"""What merging and embedding later need. Vectors keep their places; those that are there are the local embedder's."""

import django.db.models.deletion
import django.utils.timezone
from django.db import migrations, models
from django.db.models.functions import Now

import pgvector.django.halfvec

# With a default that holds for the rows that are there, which need not be written for it.
EMBEDDER = """
ALTER TABLE memory_nodes ADD COLUMN embedder varchar(160) DEFAULT 'local:wordllama-l2-256/256' NOT NULL;
ALTER TABLE memory_nodes ALTER COLUMN embedder SET DEFAULT '';
UPDATE memory_nodes SET embedder = '' WHERE embedding IS NULL;
"""

# The change of its type has put it back.
INLINE = "ALTER TABLE memory_nodes ALTER COLUMN embedding SET STORAGE PLAIN"


class Migration(migrations.Migration):
    dependencies = [("memory", "0002_storage")]
    operations = [
        migrations.RunSQL(migrations.RunSQL.noop, INLINE),
        migrations.AlterField(
            "memorynode",
            "embedding",
            pgvector.django.halfvec.HalfVectorField(
                help_text="Of as many dimensions as its embedder has.", null=True
            ),
        ),
        migrations.RunSQL(INLINE, migrations.RunSQL.noop),
        migrations.RunSQL(
            EMBEDDER,
            "ALTER TABLE memory_nodes DROP COLUMN embedder",
            state_operations=[
                migrations.AddField(
                    "memorynode",
                    "embedder",
                    models.CharField(
                        blank=True,
                        db_default="",
                        default="",
                        help_text="The model and dimensions of the vector; vectors of different ones are never "
                        "compared. Empty: to be embedded.",
                        max_length=160,
                    ),
                )
            ],
        ),
        migrations.AddField(
            "memorynode",
            "content_hash",
            models.BinaryField(
                editable=False,
                help_text="Of the normalised text: equal ones merge. Null: an older double, which upkeep will merge.",
                max_length=16,
                null=True,
            ),
        ),
        migrations.AddField(
            "memorynode",
            "sources",
            models.JSONField(
                blank=True,
                db_default=models.Value([], models.JSONField()),
                default=list,
                help_text="Later ones, newest last.",
            ),
        ),
        migrations.AddField(
            "memorynode",
            "seen_count",
            models.IntegerField(db_default=1, default=1, help_text="How often it was stored."),
        ),
        migrations.AddField(
            "memorynode",
            "last_seen_at",
            models.DateTimeField(db_default=Now(), default=django.utils.timezone.now),
        ),
        migrations.AlterField(
            "memorynode",
            "source",
            models.JSONField(blank=True, default=dict, help_text="The tick or event ids it came from first."),
        ),
        migrations.AlterField(
            "memorynode",
            "valid_from",
            models.DateTimeField(blank=True, help_text="Null: since it was stored.", null=True),
        ),
        migrations.AlterField(
            "memorynode",
            "agent",
            models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="memories",
                to="agents.agent",
            ),
        ),
        migrations.AddConstraint(
            "memorynode",
            models.CheckConstraint(condition=models.Q(("seen_count__gte", 1)), name="memory_seen_count_positive"),
        ),
        migrations.AddConstraint(
            "memorynode",
            models.CheckConstraint(
                condition=models.Q(
                    ("embedder", ""),
                    ("embedding__isnull", False),
                    ("embedder__startswith", "refused:"),
                    _connector="OR",
                ),
                name="memory_embedder_of_vector",
            ),
        ),
    ]
