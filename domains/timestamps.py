"""Columns that every table of living things has: a UUIDv7 key and two instants."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now

from domains.ids import new_id


class Stamped(models.Model):
    """Abstract: `id` (UUIDv7), `inserted_at` and `updated_at` (aware UTC)."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    inserted_at = models.DateTimeField(auto_now_add=True, db_default=Now())
    updated_at = models.DateTimeField(auto_now=True, db_default=Now())

    class Meta:
        abstract = True
