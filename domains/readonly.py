"""Admin lists over logs: nothing can be added, changed or deleted, and no page counts a table of millions."""

from __future__ import annotations

from django.core.paginator import Paginator
from django.db import connection
from django.http import HttpRequest
from django.utils.functional import cached_property


class EstimatedPaginator(Paginator):
    """Counts small tables exactly and takes the planner's word for large or filtered ones."""

    EXACT_BELOW = 20_000

    @cached_property
    def count(self) -> int:
        """How many rows, at most a little wrong when there are many."""
        query, params = self.object_list.query.sql_with_params()  # type: ignore[attr-defined]
        with connection.cursor() as cursor:
            cursor.execute(f"EXPLAIN (FORMAT JSON) {query}", params)
            rows = cursor.fetchone()[0][0]["Plan"]["Plan Rows"]
        return int(rows) if rows > self.EXACT_BELOW else super().count


class Log:
    """Mix into a ModelAdmin whose rows are history."""

    paginator = EstimatedPaginator
    show_full_result_count = False
    list_per_page = 50

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Never."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: object = None) -> bool:
        """Never."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        """Never."""
        return False
