"""Whose memories the lists of operators show to whom. The rule knows worlds and zones, as nothing here does: the app
that does registers it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.http import HttpRequest

Agents = QuerySet[Any, Any] | list[UUID] | None
"""Ids of agents, for filters of queries. None: of all."""


@dataclass(frozen=True, slots=True)
class Rule:
    """`seen`: agents whose worlds somebody may see. `read`: those of them whose memories he may read.

    `tell(request, agent_ids)` tells that he did, where they are not his own.
    """

    seen: Callable[[Any], Agents]
    read: Callable[[Any], Agents]
    tell: Callable[[HttpRequest, Collection[UUID]], None]


_rules: list[Rule] = [Rule(lambda _: [], lambda _: [], lambda *_: None)]
"""The last one holds. The first lets nobody read anything."""


def register(rule: Rule) -> None:
    """Let an app say who may read what."""
    _rules[1:] = [rule]


def rule() -> Rule:
    """The one that holds."""
    return _rules[-1]
