"""The Celery application: `celery -A thunderline …`."""

from __future__ import annotations

import gc
import os
import signal
from typing import Any

from celery import Celery
from celery.signals import worker_process_init

from domains.thunderflow import propagation
from thunderline.embedded.processes import die_with_parent

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "thunderline.settings")

app = Celery("thunderline")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
propagation.connect()


@worker_process_init.connect
def prepare_worker(**_: Any) -> None:
    """Make a forked worker process its own: it ends with its parent, and collects garbage less often.

    What was loaded before the fork stays for good and needs no collecting. A tick makes thousands of short-lived
    objects without cycles; Python's own thresholds would walk the young ones several times a chunk.
    """
    die_with_parent(signal.SIGKILL)
    gc.freeze()
    gc.set_threshold(100_000, 50, 100)
