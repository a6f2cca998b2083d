"""Ids are UUIDv7 made here: rows written together lie together. Never used for order or for chance."""

from __future__ import annotations

from uuid import UUID

from uuid_utils.compat import uuid7

__all__ = ["new_id"]


def new_id() -> UUID:
    """A fresh UUIDv7."""
    return uuid7()
