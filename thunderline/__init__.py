"""Thunderline: a self-hosted substrate for living AI agents. This package is the composition root."""

import os

# Processes fill the cores; threads of the matrix library's own only wait for each other (numpy reads it once, later).
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from thunderline.celery import app as celery_app

__all__ = ["celery_app"]
