"""Lists of history in the admin: any page of them is soon there, however many rows there are.

Rows come in the order of one column that has an index and grows with time. Where no index leads to what is asked for,
it is looked for among so many rows; what is further back has an address of its own, which says from where.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from django.contrib.admin.views.main import ORDER_VAR
from django.db.models import QuerySet
from django.db.models.expressions import Col
from django.db.models.lookups import Exact, In, Lookup
from django.db.models.sql.where import OR, WhereNode
from django.http import HttpRequest
from unfold.views import ChangeList

from domains.readonly import Log


def leads(condition: Any, columns: Collection[str]) -> bool:
    """Whether an index leads to the rows of a query's condition: to some part of an AND, to every part of an OR.

    `columns`: fields with an index of which one value has few rows, or has them in the order of the list.
    """
    if isinstance(condition, WhereNode):
        parts = [leads(part, columns) for part in condition.children]
        return not condition.negated and (all(parts) if condition.connector == OR else any(parts))
    if not isinstance(condition, (Exact, In)) or not isinstance(condition.lhs, Col):
        return False
    return condition.lhs.target.primary_key or condition.lhs.target.name in columns


def _is_of(condition: Any, column: str) -> bool:
    return isinstance(condition, Lookup) and isinstance(condition.lhs, Col) and condition.lhs.target.name == column


class NewestList(ChangeList):
    """A list along `by`, the newest first unless an address asks for the oldest."""

    REACH = 100_000
    """Rows that are looked through where no index leads."""
    model_admin: Newest
    by: str
    """The column that the list is in the order of."""
    until: Any = None
    """`by` of the last row that is looked through; None: nothing is left out."""
    further: str = ""
    """The end of the address at which the list goes on; empty where it does not, or not from this page."""

    @property
    def downwards(self) -> bool:
        """Whether the newest rows come first."""
        order: str = self.params.get(ORDER_VAR, "-")
        return order.startswith("-")

    @property
    def beyond(self) -> str:
        """The parameter that says where the list begins."""
        return f"{self.by}__{'lt' if self.downwards else 'gt'}"

    def get_ordering(self, request: HttpRequest, queryset: QuerySet[Any]) -> list[str]:
        """Along the index, whatever else an address asks for."""
        return [f"-{self.by}" if self.downwards else self.by]

    def get_queryset(self, request: HttpRequest, exclude_parameters: Any = None) -> QuerySet[Any]:
        """Raises: IncorrectLookupParameters."""
        self.by = self.model_admin.order(request)
        rows = super().get_queryset(request, exclude_parameters)
        return rows if self.led(rows) else self.within_reach(request, rows)

    def led(self, rows: QuerySet[Any]) -> bool:
        """Whether the first pages of these rows are found without looking through many others."""
        condition = rows.query.where
        return all(_is_of(part, self.by) for part in condition.children) or leads(condition, self.model_admin.indexed)

    def within_reach(self, request: HttpRequest, rows: QuerySet[Any]) -> QuerySet[Any]:
        """Those of the rows that are among the first `REACH` of all."""
        walked = self.model_admin.walked(request).order_by(*self.get_ordering(request, rows))
        if begin := self.params.get(self.beyond):
            walked = walked.filter(**{self.beyond: begin})
        self.until = walked.values_list(self.by, flat=True)[self.REACH - 1 : self.REACH].first()
        within = f"{self.by}__{'gte' if self.downwards else 'lte'}"
        return rows if self.until is None else rows.filter(**{within: self.until})

    def get_results(self, request: HttpRequest) -> None:
        """Raises: IncorrectLookupParameters."""
        super().get_results(request)
        last = self.until
        if self.paginator.cut and self.page_num == self.paginator.num_pages and (shown := list(self.result_list)):
            last = getattr(shown[-1], self.by)
        self.further = "" if last is None else self.get_query_string({self.beyond: last})

    @property
    def told(self) -> str:
        """What these rows are some of."""
        if self.until is not None:
            return f"looked for among {self.REACH:,} rows"
        shown = self.paginator.PAGES * self.list_per_page
        return f"of which the first {shown:,} have pages" if self.paginator.cut else ""


class Newest(Log):
    """Mix into a ModelAdmin whose rows are history of any length."""

    by = "id"
    """The column in whose order rows are shown: with an index, and growing with time."""
    indexed: tuple[str, ...] = ()
    """Fields by which an index leads to rows; see `leads`."""

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        """Along an index."""
        return NewestList

    def order(self, request: HttpRequest) -> str:
        """The column in whose order what is asked for is shown."""
        return self.by

    def walked(self, request: HttpRequest) -> QuerySet[Any]:
        """The rows that are gone through in this order, where no index leads to what is asked for."""
        rows: QuerySet[Any] = self.model._default_manager.order_by()  # type: ignore[attr-defined]
        return rows
