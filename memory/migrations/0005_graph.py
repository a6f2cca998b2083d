"""Entities, mentions and facts, and word of memories that are not linked yet.

Rows that hang on memories and entities go with them in the database itself. Tables of the graph are empty, and no
edges were written before: nothing here waits for long.
"""

import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models

import domains.ids

WITH_THEIRS = """
ALTER TABLE memory_entity_aliases ADD CONSTRAINT memory_entity_aliases_entity_fk
    FOREIGN KEY (entity_id) REFERENCES memory_entities ON DELETE CASCADE;
ALTER TABLE memory_mentions ADD CONSTRAINT memory_mentions_entity_fk
    FOREIGN KEY (entity_id) REFERENCES memory_entities ON DELETE CASCADE;
ALTER TABLE memory_mentions ADD CONSTRAINT memory_mentions_memory_fk
    FOREIGN KEY (memory_id) REFERENCES memory_nodes ON DELETE CASCADE;
ALTER TABLE memory_facts ADD CONSTRAINT memory_facts_memory_fk
    FOREIGN KEY (memory_id) REFERENCES memory_nodes ON DELETE SET NULL;
"""

# What fades next.
FADING = """
CREATE INDEX memory_edges_fading ON memory_edges (updated_at)
    WHERE relation IN ('temporal', 'associative', 'spatial', 'conceptual', 'emotional');
"""

# Once a statement, whoever stores. Memories that are there already are linked too.
UNLINKED = """
CREATE FUNCTION memory_unlinked_note() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO memory_unlinked (memory_id) SELECT id FROM fresh ON CONFLICT DO NOTHING;
    RETURN NULL;
END $$;
CREATE TRIGGER memory_unlinked_note AFTER INSERT ON memory_nodes
    REFERENCING NEW TABLE AS fresh FOR EACH STATEMENT EXECUTE FUNCTION memory_unlinked_note();
INSERT INTO memory_unlinked (memory_id) SELECT id FROM memory_nodes ON CONFLICT DO NOTHING;
"""
NOT_UNLINKED = """
DROP TRIGGER memory_unlinked_note ON memory_nodes;
DROP FUNCTION memory_unlinked_note();
"""


class Migration(migrations.Migration):
    dependencies = [("agents", "0001_initial"), ("memory", "0004_content_hash")]
    operations = [
        migrations.CreateModel(
            name='UnlinkedMemory',
            fields=[
                ('memory_id', models.UUIDField(primary_key=True, serialize=False)),
            ],
            options={
                'db_table': 'memory_unlinked',
            },
        ),
        migrations.CreateModel(
            name='MemoryEntity',
            fields=[
                ('id', models.UUIDField(default=domains.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('inserted_at', models.DateTimeField(auto_now_add=True, db_default=django.db.models.functions.datetime.Now())),
                ('updated_at', models.DateTimeField(auto_now=True, db_default=django.db.models.functions.datetime.Now())),
                ('name', models.CharField(help_text='As it was first written.', max_length=100)),
                ('kind', models.CharField(choices=[('person', 'person'), ('place', 'place'), ('thing', 'thing')], default='thing', max_length=6)),
                ('agent', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to='agents.agent')),
            ],
            options={
                'db_table': 'memory_entities',
            },
        ),
        migrations.CreateModel(
            name='MemoryEntityAlias',
            fields=[
                ('pk', models.CompositePrimaryKey('agent', 'alias', blank=True, editable=False, primary_key=True, serialize=False)),
                ('alias', models.CharField(db_collation='C', max_length=300)),
                ('agent', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='agents.agent')),
                ('entity', models.ForeignKey(db_constraint=False, on_delete=django.db.models.deletion.CASCADE, related_name='aliases', to='memory.memoryentity')),
            ],
            options={
                'db_table': 'memory_entity_aliases',
            },
        ),
        migrations.CreateModel(
            name='MemoryFact',
            fields=[
                ('id', models.UUIDField(default=domains.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('inserted_at', models.DateTimeField(auto_now_add=True, db_default=django.db.models.functions.datetime.Now())),
                ('updated_at', models.DateTimeField(auto_now=True, db_default=django.db.models.functions.datetime.Now())),
                ('subject', models.CharField(max_length=200)),
                ('subject_key', models.CharField(editable=False, max_length=600)),
                ('relation', models.CharField(max_length=100)),
                ('relation_key', models.CharField(editable=False, max_length=300)),
                ('value', models.CharField(max_length=2000)),
                ('valid_from', models.DateTimeField()),
                ('valid_to', models.DateTimeField(blank=True, null=True)),
                ('agent', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='agents.agent')),
                ('memory', models.ForeignKey(blank=True, db_constraint=False, help_text='Where the agent has it from.', null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='facts', to='memory.memorynode')),
            ],
            options={
                'db_table': 'memory_facts',
            },
        ),
        migrations.CreateModel(
            name='MemoryMention',
            fields=[
                ('pk', models.CompositePrimaryKey('entity', 'memory', blank=True, editable=False, primary_key=True, serialize=False)),
                ('entity', models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='mentions', to='memory.memoryentity')),
                ('memory', models.ForeignKey(db_constraint=False, on_delete=django.db.models.deletion.CASCADE, related_name='mentions', to='memory.memorynode')),
            ],
            options={
                'db_table': 'memory_mentions',
            },
        ),
        migrations.AddConstraint(
            model_name='memoryentity',
            constraint=models.CheckConstraint(condition=models.Q(('name', ''), _negated=True), name='memory_entity_name_given'),
        ),
        migrations.AddConstraint(
            model_name='memoryentity',
            constraint=models.CheckConstraint(condition=models.Q(('kind__in', ['person', 'place', 'thing'])), name='memory_entity_kind_known'),
        ),
        migrations.AddIndex(
            model_name='memoryfact',
            index=models.Index(fields=['agent', 'subject_key', 'relation_key', 'valid_from'], name='memory_facts_in_time'),
        ),
        migrations.AddConstraint(
            model_name='memoryfact',
            constraint=models.UniqueConstraint(condition=models.Q(('valid_to', None)), fields=('agent', 'subject_key', 'relation_key'), name='memory_fact_one_open'),
        ),
        migrations.AddConstraint(
            model_name='memoryfact',
            constraint=models.CheckConstraint(condition=models.Q(('valid_to', None), ('valid_to__gte', models.F('valid_from')), _connector='OR'), name='memory_fact_ends_after_it_begins'),
        ),
        migrations.AddConstraint(
            model_name='memoryfact',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('subject_key', ''), _negated=True), models.Q(('relation_key', ''), _negated=True), models.Q(('value', ''), _negated=True)), name='memory_fact_given'),
        ),
        migrations.RunSQL(WITH_THEIRS, migrations.RunSQL.noop),
        migrations.RunSQL(FADING, "DROP INDEX memory_edges_fading"),
        migrations.RunSQL(UNLINKED, NOT_UNLINKED),
    ]
