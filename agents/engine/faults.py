"""Which failures are nobody's fault: what they interrupt is done again, by whoever comes next."""

from __future__ import annotations

import psycopg
from celery.exceptions import SoftTimeLimitExceeded
from django.db import InterfaceError, OperationalError, ProgrammingError

AWAY = (
    OperationalError,
    InterfaceError,
    ProgrammingError,
    psycopg.OperationalError,
    psycopg.InterfaceError,
    psycopg.ProgrammingError,
    SoftTimeLimitExceeded,
)
"""The database is away or busy, its schema is not the code's, or the worker's time is up. SQL of our own raises
psycopg's errors, Django's its own."""
