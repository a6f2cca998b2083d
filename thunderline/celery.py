"""The Celery application: `celery -A thunderline …`."""

from __future__ import annotations

import gc
import os
import signal
import sys
from typing import Any

from celery import Celery, states
from celery.signals import task_postrun, task_prerun, worker_process_init
from django.db import close_old_connections, connections

from domains.thunderflow import propagation
from thunderline.embedded.processes import die_with_parent

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "thunderline.settings")

app = Celery("thunderline")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
propagation.connect()

# Celery ends the database's session with every task. Those that come several times a second keep it: what is prepared
# and cached in it costs as much to make anew as a stint of ticks takes.
app.conf.CELERY_DB_REUSE_MAX = sys.maxsize
KEEP_SESSIONS = frozenset({"agents.tick_zones", "thunderlink.heartbeat"})


def look_over_sessions(**_: Any) -> None:
    """End those that are too old or that the server has ended."""
    close_old_connections()
    for kept in connections.all(initialized_only=True):
        kept.close_if_health_check_failed()


def end_sessions(task: Any = None, state: str | None = None, **_: Any) -> None:
    """End them with the task, but for the frequent ones that went well."""
    if task.name not in KEEP_SESSIONS or state != states.SUCCESS:
        connections.close_all()


@worker_process_init.connect
def prepare_worker(**_: Any) -> None:
    """Make a forked worker process its own: it ends with its parent, and collects garbage less often.

    What was loaded before the fork stays for good and needs no collecting. A tick makes thousands of short-lived
    objects without cycles; Python's own thresholds would walk the young ones several times a chunk.
    """
    die_with_parent(signal.SIGKILL)
    task_prerun.connect(look_over_sessions)
    task_postrun.connect(end_sessions)
    gc.freeze()
    gc.set_threshold(100_000, 50, 100)
