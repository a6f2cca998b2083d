"""Thunderline: a self-hosted substrate for living AI agents. This package is the composition root."""

from thunderline.celery import app as celery_app

__all__ = ["celery_app"]
