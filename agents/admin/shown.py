"""How the admin of minds writes things: money, labels, names of what is pointed to by id alone, documents."""

from __future__ import annotations

import json
from collections.abc import Iterable
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.decorators import display
from unfold.utils import display_for_label
from unfold.views import ChangeList

from domains import sql

LONG = ("agent__working_memory", "agent__system_prompt", "agent__goals")
"""Columns of a row's agent that no list shows."""

# Ids are UUIDv7: no two tables have the same.
NAMES = """
SELECT id, name FROM pac_agents WHERE id = ANY(%(ids)s)
UNION ALL SELECT id, name FROM worlds WHERE id = ANY(%(ids)s)
UNION ALL SELECT id, name FROM mind_endpoints WHERE id = ANY(%(ids)s)
"""


def names_of(ids: Iterable[UUID | None]) -> dict[UUID, str]:
    """Names of agents, worlds and endpoints by id, of those that are still there. One query."""
    return dict(sql.fetch_rows(NAMES, {"ids": list({one for one in ids if one})}))


class Named:
    """Mix into a ModelAdmin of rows that point to agents, worlds or endpoints without a constraint.

    A join would leave out the rows of those who are gone, and with them what they have cost.
    """

    named: tuple[str, ...]
    """Columns that hold an id."""

    def get_changelist_instance(self, request: HttpRequest) -> ChangeList:
        """With the names of a page looked up at once. Raises: IncorrectLookupParameters."""
        page: ChangeList = super().get_changelist_instance(request)  # type: ignore[misc]
        page.result_list = list(page.result_list)
        names = names_of(getattr(row, column) for row in page.result_list for column in self.named)
        for row in page.result_list:
            row.known_names = names
        return page

    def name_of(self, row: Any, column: str) -> str:
        """The name behind a column; the id itself, when nothing has it any more."""
        target = getattr(row, column)
        names = getattr(row, "known_names", None)
        if names is None:  # a single row, in its own form
            names = row.known_names = names_of(getattr(row, name) for name in self.named)
        return names.get(target) or f"gone ({target})"


def label(text: str, kind: str) -> SafeString:
    """A coloured label, the same in lists and in forms; `kind` is success, warning, danger or info."""
    return display_for_label((kind, text), "", {kind: kind})


def dollars(amount: Decimal | None) -> str:
    """US dollars with no more digits than it takes."""
    return "-" if amount is None else f"${plain(amount)}"


def plain(number: Decimal) -> str:
    """A decimal number without the zeros that its column adds."""
    return f"{number.normalize():f}"


def whole(number: int) -> str:
    """A whole number with its thousands set apart."""
    return f"{number:,}".replace(",", "\u202f")


def document(text: str) -> SafeString:
    """Text as it is, in a box of its own."""
    return format_html('<pre class="document">{}</pre>', text)


def pretty(value: Any) -> SafeString:
    """JSON, indented."""
    return document(json.dumps(value, indent=2, ensure_ascii=False))


def pretty_of(name: str) -> Any:
    """A method of a ModelAdmin that shows a JSON column, indented."""

    @display(description=name.replace("_", " "))
    def shown(self: Any, row: Any) -> SafeString | str:
        value = getattr(row, name)
        return pretty(value) if value else "–"

    return shown


def pretty_text(text: str) -> SafeString:
    """Text that may be JSON, and is indented then."""
    try:
        return pretty(json.loads(text))
    except ValueError:
        return document(text)
