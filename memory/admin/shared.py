"""Whose rows are shown to whom, and that they were read."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.decorators import display
from unfold.views import ChangeList

from domains.newest import Newest
from domains.readonly import ByAgent, Log
from memory import readers

FEW = 1000
"""Agents that are named one by one in a query."""


class OfAgents(ByAgent, Log):
    """Mix into a ModelAdmin, first, whose rows are figures of agents: those of worlds that one may see."""

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Operators' lists are not filtered at all."""
        rows: QuerySet[Any] = super().get_queryset(request)  # type: ignore[misc]
        agents = self.shown_to(request.user)
        if agents is None:
            return rows
        # Few are named, or the newest rows of all would be looked through for theirs. Of many some are soon found.
        few = list(agents[: FEW + 1])
        return rows.filter(**{f"{self.agent_path}__in": few if len(few) <= FEW else agents})

    def shown_to(self, user: Any) -> readers.Agents:
        """Agents whose rows somebody sees."""
        return readers.rule().seen(user)


class Remembered(OfAgents, Newest):
    """Mix into a ModelAdmin, first, whose rows are what agents remember: of those whose memories one may read.

    That a page of them was read is told, where they are not one's own.
    """

    indexed: tuple[str, ...] = ("agent",)

    def shown_to(self, user: Any) -> readers.Agents:
        """Agents whose memories somebody may read."""
        return readers.rule().read(user)

    def get_changelist_instance(self, request: HttpRequest) -> ChangeList:
        """Told. Raises: IncorrectLookupParameters."""
        page: ChangeList = super().get_changelist_instance(request)  # type: ignore[misc]
        page.result_list = list(page.result_list)
        self.tell_read(request, page.result_list)
        return page

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        """Told, too."""
        row = super().get_object(request, object_id, from_field)
        if row is not None:
            self.tell_read(request, [row])
        return row

    def tell_read(self, request: HttpRequest, rows: Iterable[Any]) -> None:
        """That these were read."""
        readers.rule().tell(request, {self.agent_id(row) for row in rows})

    @staticmethod
    def agent_id(row: Any) -> UUID:
        """Whose it is."""
        found: UUID = row.agent_id
        return found


def rounded(name: str) -> Callable[[Any], str]:
    """A column for `list_display`: two digits are plenty."""

    @display(description=name)
    def shown(row: Any) -> str:
        return f"{getattr(row, name):.2f}"

    shown.__name__ = name
    return shown


LONG = ("embedding", "signature", "content_hash")
"""Columns of a memory that are for machines."""
OF_AGENT = ("working_memory", "system_prompt", "goals")
"""Columns of an agent that are long."""


def without(path: str, names: Iterable[str]) -> list[str]:
    return [f"{path}__{name}" for name in names]
