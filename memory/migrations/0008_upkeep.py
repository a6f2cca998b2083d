"""What upkeep needs to know. All memories that are there are compared once; no column of theirs changes."""

import django.db.models.deletion
from django.db import migrations, models

ALL = """
INSERT INTO memory_forms (memory_id, agent_id) SELECT id, agent_id FROM memory_nodes ON CONFLICT DO NOTHING;
INSERT INTO memory_upkeep (agent_id, due_at, over_budget) SELECT DISTINCT agent_id, now(), 0 FROM memory_nodes
ON CONFLICT DO NOTHING;
"""
# Due dates are written all the time.
ROOM = """
ALTER TABLE memory_upkeep SET (fillfactor = 70);
"""
WITH_THEIRS = """
ALTER TABLE memory_forms ADD CONSTRAINT memory_forms_memory_fk
    FOREIGN KEY (memory_id) REFERENCES memory_nodes ON DELETE CASCADE;
"""


class Migration(migrations.Migration):
    dependencies = [("memory", "0007_layout")]
    operations = [
        migrations.CreateModel(
            name='AgentUpkeep',
            fields=[
                ('agent_id', models.UUIDField(primary_key=True, serialize=False)),
                ('due_at', models.DateTimeField()),
                ('leased_until', models.DateTimeField(help_text='A process looks after it until then.', null=True)),
                ('looked_after_at', models.DateTimeField(null=True)),
                ('settled_at', models.DateTimeField(help_text='When episodes and salience were looked at.', null=True)),
                ('over_budget', models.IntegerField(default=0, help_text='Memories above the budget that others depend on.')),
            ],
            options={
                'db_table': 'memory_upkeep',
                'verbose_name_plural': "agents' upkeep",
                'indexes': [models.Index(fields=['due_at', 'agent_id'], name='memory_upkeep_due')],
                'constraints': [models.CheckConstraint(condition=models.Q(('over_budget__gte', 0)), name='memory_over_budget_positive')],
            },
        ),
        migrations.CreateModel(
            name='MemoryForm',
            fields=[
                ('memory', models.OneToOneField(db_constraint=False, on_delete=django.db.models.deletion.CASCADE, primary_key=True, related_name='form', serialize=False, to='memory.memorynode')),
                ('agent_id', models.UUIDField()),
                ('form', models.BinaryField(editable=False, max_length=16, null=True)),
            ],
            options={
                'db_table': 'memory_forms',
                'indexes': [models.Index(condition=models.Q(('form__isnull', False)), fields=['agent_id', 'form'], name='memory_forms_equal'), models.Index(condition=models.Q(('form', None)), fields=['agent_id', 'memory'], name='memory_forms_waiting')],
            },
        ),
        migrations.RunSQL(ALL, migrations.RunSQL.noop),
        migrations.RunSQL(ROOM, migrations.RunSQL.noop),
        migrations.RunSQL(WITH_THEIRS, migrations.RunSQL.noop),
    ]
