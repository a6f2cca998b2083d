"""Who may read which streams. The rule knows worlds and zones, as nothing here does: the app that does registers it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.db.models import Q, QuerySet
from django.http import HttpRequest

from domains.thunderflow.queries import Seen

Rule = Callable[[Any], Seen | None]
"""Which streams somebody may read; None: all."""
_rules: list[Rule] = []


def register(rule: Rule) -> None:
    """Let an app say who may read what. Until then nobody reads anything, but who reads all."""
    _rules[:] = [rule]


def seen(user: Any) -> Seen | None:
    """Which streams somebody may read. None: all."""
    if user.is_superuser:
        return None
    return _rules[0](user) if _rules else Seen(frozenset())


def narrowed(rows: QuerySet[Any], may: Seen | None, path: str = "stream") -> QuerySet[Any]:
    """Those rows of streams that somebody may read; `path` leads to a stream's name."""
    if may is None:
        return rows
    allowed = Q(**{f"{path}__in": may.streams})
    if may.blackboard:
        allowed |= Q(**{f"{path}__startswith": "blackboard:"})
    return rows.filter(allowed)


class OfStreams:
    """Mix into a ModelAdmin, first, whose rows tell of streams: those that one may read."""

    stream_path = "stream"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Of streams that one may read. Operators' lists are not filtered at all."""
        rows: QuerySet[Any] = super().get_queryset(request)  # type: ignore[misc]
        return narrowed(rows, seen(request.user), self.stream_path)
