"""The Celery application: `celery -A thunderline …`."""

from __future__ import annotations

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "thunderline.settings")

app = Celery("thunderline")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
