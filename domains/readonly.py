"""What the admins share: logs that only show, lists that never count millions, agents by their names."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import psycopg
from django.apps import apps
from django.contrib import messages
from django.contrib.admin import ShowFacets
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.core.exceptions import EmptyResultSet, ValidationError
from django.core.paginator import Paginator
from django.db import OperationalError, connection
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseBadRequest, HttpResponseRedirect
from django.urls import reverse
from django.utils.functional import cached_property


class EstimatedPaginator(Paginator):
    """Counts exactly what is soon counted, and takes the planner's word for the rest. Shows so many pages of it."""

    template_name = "admin/pages.html"
    PAGES = 200
    """At most: to show one, the database goes through all that are before it."""

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

    @cached_property
    def num_pages(self) -> int:
        """How many pages can be asked for."""
        return min(self.PAGES, super().num_pages)

    @property
    def cut(self) -> bool:
        """Whether there are rows behind the last page."""
        return self.count > self.PAGES * self.per_page


PATIENCE_S = 8
"""Seconds that one statement of a list may take."""


@contextmanager
def impatient(seconds: float) -> Iterator[None]:
    """Statements that take longer are given up. Raises then: OperationalError."""
    with connection.cursor() as cursor:
        cursor.execute(f"SET statement_timeout = {int(seconds * 1000)}")
    try:
        yield
    finally:
        if not connection.needs_rollback:  # or the setting goes with the transaction
            with connection.cursor() as cursor:
                cursor.execute("RESET statement_timeout")


class Large:
    """Mix into a ModelAdmin whose table may have any number of rows."""

    paginator = EstimatedPaginator
    show_full_result_count = False
    show_facets = ShowFacets.NEVER  # they count all rows once for each choice of each filter
    list_per_page = 50

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """A list that takes too long is given up, with how to ask for less."""
        view = super().changelist_view  # type: ignore[misc]
        if request.method != "GET":
            may = self.has_view_or_change_permission(request)  # type: ignore[attr-defined]
            if may and not self._are_ids(request.POST.getlist(ACTION_CHECKBOX_NAME)):
                return HttpResponseBadRequest("What was chosen is not there.", content_type="text/plain")
            return view(request, extra_context)
        try:
            with impatient(PATIENCE_S):
                return view(request, extra_context)
        except OperationalError as error:
            if not isinstance(error.__cause__, psycopg.errors.QueryCanceled):
                raise
        messages.error(
            request, f"That took longer than {PATIENCE_S} s and was given up: filter more, or look for whole words."
        )
        return HttpResponseRedirect(request.path if request.GET else reverse("admin:index"))

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        """None for what cannot be an id, too."""
        return super().get_object(request, object_id, from_field) if self._are_ids([object_id]) else None  # type: ignore[misc]

    def _are_ids(self, texts: list[str]) -> bool:
        pk = self.model._meta.pk  # type: ignore[attr-defined]
        try:
            return all("\0" not in text and pk.to_python(text) is not None for text in texts)
        except ValidationError:
            return False


class ByAgent:
    """Mix into a ModelAdmin whose rows have an agent: they are found by its whole name or its id.

    Agents come first: a join with each row's agent would read all rows, where the index by agent finds them.
    """

    agent_path = "agent"
    """Where the agent, or its id, is."""
    search_fields = ("pk",)  # which shows the box
    search_help_text = "An agent's whole name, or its id"
    MOST = 100
    """Agents of the same name, of different worlds."""

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """As `found` has it."""
        term = search_term.strip().replace("\0", "")
        return (self.found(queryset, term) if term else queryset), False

    def found(self, rows: QuerySet[Any], term: str) -> QuerySet[Any]:
        """Rows that fit a term, which is not empty."""
        return rows.filter(**{f"{self.agent_path}__in": self.agents(term)})

    def agents(self, term: str) -> list[UUID]:
        """The ids of agents of this name, or the id that it is."""
        try:
            return [UUID(term)]
        except ValueError:
            agents = apps.get_model("agents", "Agent")
            return list(agents.objects.filter(name=term).order_by().values_list("pk", flat=True)[: self.MOST])


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
