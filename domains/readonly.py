"""What the admins share: logs that only show, and lists that never count millions."""

from __future__ import annotations

from django.core.exceptions import EmptyResultSet
from django.core.paginator import Paginator
from django.db import connection
from django.http import HttpRequest
from django.utils.functional import cached_property


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


def actor(request: HttpRequest) -> str:
    """Who acts, as events name people."""
    return f"user:{request.user.get_username()}"
