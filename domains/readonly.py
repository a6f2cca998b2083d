"""What the admins share: logs that only show, lists that never count millions, refusals told as messages."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.core.exceptions import EmptyResultSet
from django.core.paginator import Paginator
from django.db import connection
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.functional import cached_property

from domains.thunderblock import guards


class EstimatedPaginator(Paginator):
    """Counts exactly what is soon counted, and takes the planner's word for the rest."""

    EXACT_BELOW = 20_000
    """Rows."""
    CHEAP_BELOW = 20_000.0
    """The planner's cost of finding them: of a few in millions too, when no index leads there."""

    @cached_property
    def count(self) -> int:
        """How many rows, at most a little wrong when there are many."""
        try:
            query, params = self.object_list.query.sql_with_params()  # type: ignore[attr-defined]
        except EmptyResultSet:
            return 0
        with connection.cursor() as cursor:
            cursor.execute(f"EXPLAIN (FORMAT JSON) {query}", params)
            plan = cursor.fetchone()[0][0]["Plan"]
        if plan["Plan Rows"] <= self.EXACT_BELOW and plan["Total Cost"] <= self.CHEAP_BELOW:
            return super().count
        # Never a single page, which the admin would read without a limit.
        return max(int(plan["Plan Rows"]), self.per_page + 1)


class Large:
    """Mix into a ModelAdmin whose table may have any number of rows."""

    paginator = EstimatedPaginator
    show_full_result_count = False
    list_per_page = 50


class Lasting:
    """Mix into a ModelAdmin whose rows are not deleted here: archived, switched off or kept as they are."""

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        """Never."""
        return False


class Log(Large, Lasting):
    """Mix into a ModelAdmin whose rows are history."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Never."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: object = None) -> bool:
        """Never."""
        return False


class Refusing:
    """Mix into a ModelAdmin that writes through actions: what they refuse is told as a message.

    It is a door of its domain: while that is not active, nothing is changed here.
    """

    domain: str
    refusals: tuple[type[Exception], ...] = ()
    """Base exceptions of the apps whose actions are called."""

    @property
    def _told(self) -> tuple[type[Exception], ...]:
        return (guards.DomainInactive, *self.refusals)

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Refused: back to the form, as the database has it."""
        try:
            if request.method == "POST":
                guards.require(self.domain)
            return super().changeform_view(request, *args, **kwargs)  # type: ignore[misc]
        except self._told as error:
            messages.error(request, str(error))
            return HttpResponseRedirect(request.get_full_path())

    def tell(self, request: HttpRequest, done: str, act: Callable[[], object]) -> None:
        """Run an action and say `done`, or why it was refused."""
        try:
            guards.require(self.domain)
            act()
        except self._told as error:
            messages.error(request, str(error))
        else:
            messages.success(request, done)


def actor(request: HttpRequest) -> str:
    """Who acts, as events name people."""
    return f"user:{request.user.get_username()}"
