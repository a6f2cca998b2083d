"""Policies of what is kept, and the disk that it lies on."""

import django.core.validators
import django.db.models.functions.datetime
import domains.ids
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('thunderblock', '0001_initial'),
    ]

    operations = [
        migrations.CreateModel(
            name='Disk',
            fields=[
                ('id', models.SmallIntegerField(default=1, primary_key=True, serialize=False)),
                ('level', models.CharField(choices=[('ok', 'ok'), ('low', 'low'), ('critical', 'critical')], default='ok', max_length=10)),
                ('free_bytes', models.BigIntegerField()),
                ('total_bytes', models.BigIntegerField()),
                ('looked_at', models.DateTimeField()),
            ],
            options={
                'db_table': 'disk_watch',
                'constraints': [models.CheckConstraint(condition=models.Q(('level__in', ['ok', 'low', 'critical'])), name='disk_level_known'), models.CheckConstraint(condition=models.Q(('id', 1)), name='disk_once')],
            },
        ),
        migrations.CreateModel(
            name='RetentionPolicy',
            fields=[
                ('id', models.UUIDField(default=domains.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('inserted_at', models.DateTimeField(auto_now_add=True, db_default=django.db.models.functions.datetime.Now())),
                ('updated_at', models.DateTimeField(auto_now=True, db_default=django.db.models.functions.datetime.Now())),
                ('store', models.CharField(help_text='What it is about.', max_length=50, unique=True)),
                ('enabled', models.BooleanField(default=True, help_text='Off: nothing goes, whatever its age or size.')),
                ('keep_days', models.IntegerField(blank=True, help_text='What is older goes. Empty: nothing goes for its age.', null=True, validators=[django.core.validators.MinValueValidator(1), django.core.validators.MaxValueValidator(36500)])),
                ('max_bytes', models.BigIntegerField(blank=True, help_text='The oldest goes while there is more than this, in bytes. Empty: no ceiling.', null=True, validators=[django.core.validators.MinValueValidator(1000000)])),
                ('held_by', models.JSONField(default=list, editable=False, help_text='Subscribers that hold up what should go.')),
                ('looked_at', models.DateTimeField(editable=False, help_text='When it was last carried out.', null=True)),
            ],
            options={
                'verbose_name_plural': 'retention policies',
                'db_table': 'retention_policies',
                'ordering': ['store'],
                'constraints': [models.CheckConstraint(condition=models.Q(('keep_days', None), models.Q(('keep_days__gte', 1), ('keep_days__lte', 36500)), _connector='OR'), name='retention_days_sensible'), models.CheckConstraint(condition=models.Q(('max_bytes', None), ('max_bytes__gte', 1000000), _connector='OR'), name='retention_bytes_sensible')],
            },
        ),
    ]
