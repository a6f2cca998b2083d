"""Lists of history in the admin: read along an index, or among so many rows, and one comes to the end of them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.apps import apps
from django.contrib import admin
from django.core.exceptions import EmptyResultSet
from django.db import connection, transaction
from django.db.models import Q
from django.test import Client
from django.utils import timezone

from agents import partitions
from agents.admin.ticks import TickList, _first_id_of
from agents.models import TickLog
from domains.ids import new_id
from domains.newest import Newest, NewestList, leads
from domains.readonly import EstimatedPaginator
from domains.thunderflow.models import Event
from domains.thundergate.audit.models import AuditEntry
from memory.models import MemoryEdge, MemoryNode
from tests.integration.thunderline.rows import address, many_of_everything, registered, some_of_everything

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("commits")]

HISTORY = {
    "agents.message", "agents.modelcall", "agents.outsidecall", "agents.ticklog", "agents.worldpulse",
    "memory.memoryedge", "memory.memoryentity", "memory.memoryfact", "memory.memoryform", "memory.memorynode",
    "memory.unlinkedmemory", "thunderflow.deadletter", "thunderflow.event", "thundergate.accesstoken",
    "thundergate.auditentry",
}  # fmt: skip
REACH = 5


def history() -> list[Any]:
    return [model for model in registered() if isinstance(admin.site._registry[model], Newest)]


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Of a plan, with all below."""
    yield plan
    for below in plan.get("Plans", ()):
        yield from nodes(below)


def plan_of(rows: Any) -> list[dict[str, Any]]:
    """How a page is read where there are many rows: along indexes, and sorted only where no index has the order."""
    try:
        query, params = rows[:50].query.sql_with_params()
    except EmptyResultSet:  # nobody of this name
        return []
    with transaction.atomic(), connection.cursor() as cursor:
        for kind in ("seqscan", "sort", "hashjoin", "mergejoin", "material"):
            cursor.execute(f"SET LOCAL enable_{kind} = off")
        cursor.execute(f"EXPLAIN (FORMAT JSON) {query}", params)
        return list(nodes(cursor.fetchone()[0][0]["Plan"]))


def test_what_may_be_millions_is_history() -> None:
    assert {model._meta.label_lower for model in history()} == HISTORY


def asked_of(client: Client, model: Any) -> set[str]:
    """Addresses of a list: every choice of every filter, searches of every kind, and the oldest first."""
    listed = client.get(address(model)).context["cl"]
    row = model._default_manager.order_by("pk").first()
    terms = ["7", "Mara", "user:operator", "operator", "10.0.0.1", "zone:x", str(new_id()), "a" * 64]
    terms += [str(getattr(row, name)) for name in ("agent_id", "recipient_id", "stream", "topic") if hasattr(row, name)]
    choices = {choice["query_string"] for each in listed.filter_specs for choice in each.choices(listed)}
    return {"?", "?o=1", *choices, *(f"?q={term}" for term in terms if listed.search_fields)}


@pytest.mark.timeout(600)  # a page for each choice of each filter
def test_no_page_of_history_reads_or_sorts_all_rows(as_operator: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    some_of_everything()
    many_of_everything()
    monkeypatch.setattr(NewestList, "REACH", REACH)
    for model in history():
        for query in sorted(asked_of(as_operator, model)):
            shown = as_operator.get(address(model) + query)
            assert shown.status_code == 200, (model, query)
            listed = shown.context["cl"]
            parts, led = plan_of(listed.queryset), is_led(listed)
            bounds = [part["Index Cond"] for part in parts if "Index Cond" in part]
            plain = set(query) <= set("?o=1")
            few = listed.model_admin.walked(shown.wsgi_request).count() < REACH
            assert plain or led or few or listed.until is not None or model is TickLog, (model, query)
            if parts and listed.until is not None:
                along = re.compile(rf'\("?{listed.by}"? [<>]=')
                assert any(along.search(bound) for bound in bounds), (model, query, bounds)
            if not led and model is not TickLog:
                assert [part for part in parts if "Sort" in part["Node Type"]] == [], (model, query, parts)
            if not led and model is TickLog:
                assert '"tick_logs"."id" >= ' in str(listed.queryset.query), query


def is_led(listed: NewestList) -> bool:
    """Whether an index has what is asked for, so that it may be sorted."""
    return listed.by == "tick_number" or leads(listed.queryset.query.where, listed.model_admin.indexed)


def test_an_index_leads_to_some_part_of_what_holds_together_and_to_every_part_of_a_choice() -> None:
    def led(*wanted: Any, model: Any = MemoryNode, by: tuple[str, ...] = ("agent",)) -> bool:
        return leads(model.objects.filter(*wanted).query.where, by)

    agent, memory = new_id(), new_id()
    assert led(Q(agent=agent))
    assert led(Q(agent__in=[agent]), Q(kind="episodic"))
    assert led(Q(pk=memory))
    assert led(Q(agent=agent) | Q(pk=memory))
    assert led(Q(source__agent=agent), model=MemoryEdge)
    assert not led(Q(kind="episodic"))
    assert not led(Q(agent=agent) | Q(kind="episodic"))
    assert not led(~Q(agent=agent))
    assert not led(Q(agent__gt=agent))
    assert not led(Q(agent__name="Mara"))
    assert not led(Q(at__isnull=True), model=AuditEntry)


# --- To the end ----------------------------------------------------------------------------------------------


def walk(client: Client, page: str) -> list[Any]:
    """The keys of all rows that one comes by, from page to page and from stretch to stretch."""
    found: list[Any] = []
    query = page
    while True:
        first = client.get(query).context["cl"]
        for number in range(1, first.paginator.num_pages + 1):
            listed = client.get(f"{query}{'&' if '?' in query else '?'}p={number}").context["cl"]
            found += [row.pk for row in listed.result_list]
        if not listed.further:
            return found
        query = page.partition("?")[0] + listed.further


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lists of a few pages, and counted by guess."""
    monkeypatch.setattr(EstimatedPaginator, "PAGES", 2)
    monkeypatch.setattr(NewestList, "REACH", 7)
    for model in history():
        monkeypatch.setattr(admin.site._registry[model], "list_per_page", 3)


def test_one_comes_to_the_end_of_history(short: None, as_operator: Client) -> None:
    _, agent, _ = some_of_everything()
    many_of_everything()
    memories = MemoryNode.objects.order_by("-pk")
    kind = memories[0].kind
    for query, rows in {
        "": memories, "?o=8": memories.reverse(), f"?kind__exact={kind}": memories.filter(kind=kind),
        f"?agent__id__exact={agent.pk}": memories.filter(agent=agent), "?kind__exact=nothing": memories.none(),
    }.items():  # fmt: skip
        assert walk(as_operator, address(MemoryNode) + query) == list(rows.values_list("pk", flat=True)), query
    events = Event.objects.order_by("-position")
    stream = events.exclude(stream="system")[0].stream
    for query, rows in {
        "": events, "?q=user:operator": events.filter(actor="user:operator"),
        f"?stream__exact={stream}": events.filter(stream=stream), f"?q={stream}": events.filter(stream=stream),
    }.items():  # fmt: skip
        assert walk(as_operator, address(Event) + query) == list(rows.values_list("pk", flat=True)), query


def test_pages_behind_the_last_are_not_shown(short: None, as_operator: Client) -> None:
    some_of_everything()
    many_of_everything()
    shown = as_operator.get(address(MemoryNode)).context["cl"]
    assert (shown.paginator.num_pages, shown.paginator.cut, shown.further) == (2, True, "")
    assert "of which the first 6 have pages" in as_operator.get(address(MemoryNode)).content.decode()
    assert as_operator.get(address(MemoryNode), {"p": 3}).status_code == 302
    last = as_operator.get(address(MemoryNode), {"p": 2})
    assert f'href="{last.context["cl"].further}"' in last.content.decode()


def test_what_is_looked_for_among_some_rows_says_so(short: None, as_operator: Client) -> None:
    some_of_everything()
    many_of_everything()
    text = as_operator.get(address(MemoryNode), {"kind__exact": "nothing"}).content.decode()
    assert "looked for among 7 rows" in text
    assert "Older ones" in text


def spread_out(seconds: int) -> list[Any]:
    """All ticks, so many seconds from one to the next. Returns their keys, the newest first."""
    now = timezone.now() - timedelta(seconds=1)
    partitions.ensure_ahead(now - timedelta(days=1))
    ids = []
    for i, row in enumerate(TickLog.objects.order_by("-pk")):
        at = now - i * timedelta(seconds=seconds)
        ids.append(type(row.pk)(int=_first_id_of(at).int + 7 * 2**76 + 2**63))
        TickLog.objects.filter(pk=row.pk).update(id=ids[-1], inserted_at=at)
    return ids


@pytest.mark.parametrize("enough", [1, 500])
def test_ticks_are_looked_for_stretch_by_stretch(
    enough: int, short: None, as_operator: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, agent, _ = some_of_everything()
    ids = spread_out(seconds=7)
    monkeypatch.setattr(TickList, "SPANS_S", (2, 20, 40))
    monkeypatch.setattr(TickList, "ENOUGH", enough)
    assert walk(as_operator, address(TickLog)) == ids
    rest = TickLog.objects.order_by("-pk").filter(action="rest").values_list("pk", flat=True)
    assert walk(as_operator, address(TickLog) + "?q=rest") == list(rest)
    theirs = TickLog.objects.filter(agent=agent).order_by("-tick_number").values_list("pk", flat=True)
    for query in (f"?agent__id__exact={agent.pk}", f"?q={agent.name}", f"?q={agent.pk}"):
        assert walk(as_operator, address(TickLog) + query) == list(theirs), query
    assert apps.get_model("agents.ticklog").objects.count() == len(ids) > 2
