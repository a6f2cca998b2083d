"""Those who follow the log: how far they have come, what they hold back, what they could not handle."""

import django.db.models.deletion
import django.db.models.functions.datetime
import domains.ids
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('thunderflow', '0002_statement_time'),
    ]

    operations = [
        migrations.CreateModel(
            name='Follower',
            fields=[
                ('id', models.UUIDField(primary_key=True, serialize=False)),
                ('node', models.CharField(max_length=200)),
                ('pid', models.IntegerField()),
                ('seen_at', models.DateTimeField()),
            ],
            options={
                'db_table': 'event_followers',
                'ordering': ['node', 'pid'],
            },
        ),
        migrations.CreateModel(
            name='Breaker',
            fields=[
                ('name', models.CharField(max_length=200, primary_key=True, serialize=False)),
                ('state', models.CharField(default='closed', max_length=10)),
                ('failures', models.IntegerField(default=0, help_text='In a row.')),
                ('successes', models.IntegerField(default=0, help_text='In a row, while it is half open.')),
                ('opened_at', models.DateTimeField(blank=True, null=True)),
                ('last_error', models.CharField(blank=True, default='', max_length=500)),
                ('updated_at', models.DateTimeField(auto_now=True)),
            ],
            options={
                'db_table': 'circuit_breakers',
                'ordering': ['name'],
                'constraints': [models.CheckConstraint(condition=models.Q(('state__in', ['closed', 'open', 'half-open'])), name='breaker_state_known')],
            },
        ),
        migrations.CreateModel(
            name='Subscription',
            fields=[
                ('id', models.UUIDField(default=domains.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('inserted_at', models.DateTimeField(auto_now_add=True, db_default=django.db.models.functions.datetime.Now())),
                ('updated_at', models.DateTimeField(auto_now=True, db_default=django.db.models.functions.datetime.Now())),
                ('name', models.CharField(max_length=100, unique=True)),
                ('pattern', models.CharField(help_text='Topics that it follows.', max_length=500)),
                ('shards', models.SmallIntegerField(help_text='Into how many parts streams are dealt; each part is in order.')),
                ('paused', models.BooleanField(default=False, help_text="An operator's wish. Nothing is lost, only later.")),
                ('paused_by', models.CharField(blank=True, default='', max_length=200)),
                ('declared', models.BooleanField(default=True, help_text='Whether code that runs declares it.')),
                ('alerted', models.BooleanField(default=False, help_text='Whether its many dead letters have been told of.')),
            ],
            options={
                'db_table': 'event_subscriptions',
                'ordering': ['name'],
                'constraints': [models.CheckConstraint(condition=models.Q(('shards__gte', 1), ('shards__lte', 64)), name='event_subscription_shards')],
            },
        ),
        migrations.CreateModel(
            name='ParkedStream',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('shard', models.SmallIntegerField()),
                ('stream', models.TextField()),
                ('seq', models.BigIntegerField(help_text='Of the event that fails.')),
                ('position', models.BigIntegerField(help_text='Of the event that fails: the log is kept from here on.')),
                ('attempts', models.IntegerField()),
                ('died', models.IntegerField(default=0, help_text='Events of it that became dead letters one after the other.')),
                ('error_class', models.CharField(max_length=20)),
                ('error', models.TextField()),
                ('traceback', models.TextField(blank=True, default='')),
                ('first_failed_at', models.DateTimeField()),
                ('retry_at', models.DateTimeField()),
                ('subscription', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='parked', to='thunderflow.subscription')),
            ],
            options={
                'db_table': 'event_parked_streams',
                'ordering': ['retry_at'],
                'constraints': [models.UniqueConstraint(fields=('subscription', 'stream'), name='event_parked_once')],
            },
        ),
        migrations.CreateModel(
            name='Lease',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('shard', models.SmallIntegerField()),
                ('holder', models.UUIDField(null=True)),
                ('expires_at', models.DateTimeField()),
                ('subscription', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='leases', to='thunderflow.subscription')),
            ],
            options={
                'db_table': 'event_leases',
                'constraints': [models.UniqueConstraint(fields=('subscription', 'shard'), name='event_lease_once')],
            },
        ),
        migrations.CreateModel(
            name='DeadLetter',
            fields=[
                ('id', models.UUIDField(default=domains.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('inserted_at', models.DateTimeField(auto_now_add=True, db_default=django.db.models.functions.datetime.Now())),
                ('updated_at', models.DateTimeField(auto_now=True, db_default=django.db.models.functions.datetime.Now())),
                ('shard', models.SmallIntegerField()),
                ('stream', models.TextField()),
                ('seq', models.BigIntegerField()),
                ('position', models.BigIntegerField()),
                ('topic', models.TextField()),
                ('event', models.JSONField(help_text='The whole event, kept when the log is not.')),
                ('status', models.CharField(choices=[('waiting', 'waiting'), ('retrying', 'retrying'), ('handled', 'handled'), ('discarded', 'discarded')], default='waiting', max_length=10)),
                ('attempts', models.IntegerField()),
                ('error_class', models.CharField(max_length=20)),
                ('error', models.TextField()),
                ('traceback', models.TextField(blank=True, default='')),
                ('first_failed_at', models.DateTimeField()),
                ('failed_at', models.DateTimeField()),
                ('resolved_at', models.DateTimeField(blank=True, null=True)),
                ('resolved_by', models.CharField(blank=True, default='', max_length=200)),
                ('subscription', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='dead_letters', to='thunderflow.subscription')),
            ],
            options={
                'db_table': 'event_dead_letters',
                'ordering': ['-position'],
                'indexes': [models.Index(condition=models.Q(('status', 'retrying')), fields=['subscription', 'shard'], name='dead_letters_retrying'), models.Index(condition=models.Q(('status', 'waiting')), fields=['subscription'], name='dead_letters_waiting')],
                'constraints': [models.CheckConstraint(condition=models.Q(('status__in', ['waiting', 'retrying', 'handled', 'discarded'])), name='dead_letter_status_known'), models.UniqueConstraint(fields=('subscription', 'position'), name='dead_letter_once')],
            },
        ),
        migrations.CreateModel(
            name='Cursor',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('shard', models.SmallIntegerField()),
                ('position', models.BigIntegerField(default=0, help_text='Everything up to here is handled or parked.')),
                ('handled', models.BigIntegerField(default=0, help_text='Events that took effect.')),
                ('updated_at', models.DateTimeField(auto_now=True)),
                ('subscription', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='cursors', to='thunderflow.subscription')),
            ],
            options={
                'db_table': 'event_cursors',
                'ordering': ['subscription', 'shard'],
                'constraints': [models.UniqueConstraint(fields=('subscription', 'shard'), name='event_cursor_once')],
            },
        ),
    ]
