"""Every list and form of the admin: for every model, as cheap for many rows as for one, and what it shows to whom."""

from __future__ import annotations

from typing import Any

import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.db import connection
from django.test import Client
from django.urls import reverse

from domains.ids import new_id
from domains.readonly import EstimatedPaginator
from domains.thundergate import grants
from domains.thundergate.audit.models import AuditEntry
from memory.models import MemoryNode
from tests.conftest import CountQueries
from tests.factories import make_user, make_world
from tests.integration.thunderline.rows import (
    MANY,
    SINGLE,
    address,
    many_of_everything,
    registered,
    some_of_everything,
)
from zones.models import Zone

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("commits")]

UNSEEN = {
    # What Django keeps for itself; permissions are given on the pages of users and groups. The key of a session is all
    # that it takes to come in as its user.
    "auth.permission", "contenttypes.contenttype", "sessions.session",
    # Written by nothing here.
    "axes.accessattemptexpiration", "axes.accessfailurelog", "axes.accesslog",
    # The time of the scheduler's last change.
    "django_celery_beat.periodictasks",
    # The admin shows no rows whose key is of two columns: these are on the pages of what they are of.
    "memory.memoryentityalias", "memory.memorymention",
}  # fmt: skip


def test_every_model_is_in_the_admin() -> None:
    missing = {model._meta.label_lower for model in apps.get_models() if model not in admin.site._registry}
    assert missing == UNSEEN


def test_every_list_is_in_the_sidebar_once(as_operator: Client) -> None:
    groups = as_operator.get(reverse("admin:index")).context["sidebar_navigation"]
    shown = [str(item["link"]) for group in groups for item in group["items"]]
    assert sorted(shown) == sorted(address(model) for model in registered())


def test_every_list_takes_any_number_of_rows_and_says_what_is_searched() -> None:
    for model in registered():
        options: Any = admin.site._registry[model]
        assert options.paginator is EstimatedPaginator, model
        assert options.show_full_result_count is False, model
        assert bool(options.search_help_text) == bool(options.search_fields), model
        if options.search_fields:
            assert options.search_help_text[0].isupper(), model


LARGE = ("memory.memorynode", "memory.memoryedge", "memory.memoryentity", "memory.memoryfact", "agents.ticklog",
         "thunderflow.event", "agents.message", "agents.modelcall", "thundergate.auditentry", "thunderflow.deadletter",
         "thunderlink.heartbeattick", "thunderflow.entry", "thundergate.accesstoken")  # fmt: skip


def test_no_search_looks_for_a_part_of_a_word_in_what_may_be_millions(
    as_operator: Client, count_queries: CountQueries
) -> None:
    some_of_everything()
    for label in LARGE:
        for term in ("7", "Mara", "user:zorblette", "zone:x", str(new_id())):
            with count_queries() as statements:
                assert as_operator.get(address(apps.get_model(label)), {"q": term}).status_code == 200, label
            assert [sql for sql in statements if "UPPER(" in sql or "LIKE '%" in sql] == [], (label, term)


class Costs:
    """How many queries pages take, once what is kept for later is kept."""

    def __init__(self, client: Client, count_queries: CountQueries) -> None:
        self.client, self.count_queries, self.seen = client, count_queries, set[str]()

    def of(self, page: str) -> int:
        """Of one page."""
        if page not in self.seen:
            self.client.get(page)
            self.seen.add(page)
        with self.count_queries() as statements:
            assert self.client.get(page).status_code == 200, page
        return len(statements)


@pytest.fixture
def costs(as_operator: Client, count_queries: CountQueries) -> Costs:
    some_of_everything()
    as_operator.get(address(apps.get_model("mcp_server.ToolSetting")))  # rows are made when one looks
    return Costs(as_operator, count_queries)


@pytest.mark.timeout(600)  # some two hundred pages
def test_a_form_costs_the_same_when_there_are_many_rows(costs: Costs) -> None:
    first = {}
    for model in registered():
        row = model._default_manager.order_by("pk").first()
        assert row is not None, model
        first[model._meta.label_lower] = address(model, "change", row.pk)
    before = {label: costs.of(page) for label, page in first.items()}
    many_of_everything()
    assert {label: costs.of(page) for label, page in first.items()} == before


@pytest.mark.timeout(600)
def test_a_list_costs_the_same_for_twenty_rows_as_for_one(costs: Costs, monkeypatch: pytest.MonkeyPatch) -> None:
    def lists(rows: int) -> dict[str, int]:
        for options in admin.site._registry.values():
            monkeypatch.setattr(options, "list_per_page", rows)
        return {model._meta.label_lower: costs.of(address(model)) for model in registered()}

    many_of_everything()
    short = {model._meta.label_lower for model in registered() if model._default_manager.count() < MANY}
    assert short == SINGLE
    assert lists(MANY) == lists(1)


@pytest.mark.timeout(600)  # a page for each choice of each filter
def test_every_choice_of_every_filter_opens(as_operator: Client) -> None:
    some_of_everything()
    for model in registered():
        shown = as_operator.get(address(model))
        listed = shown.context["cl"]
        choices = [choice["query_string"] for each in listed.filter_specs for choice in each.choices(listed)]
        for query in {*choices, "?_facets=True"}:
            answer = as_operator.get(address(model) + query, follow=True)
            assert answer.status_code == 200, (model, query)


# --- Who sees what -------------------------------------------------------------------------------------------

RECORDS = {"admin.logentry", "thundergate.auditentry"}
"""What was done to anything, for who has the permission and sees every world."""
OF_THE_SYSTEM = {
    # Of the system itself, and of ids, for who has the permission.
    "thundergate.redaction", "thunderflow.redactedrow", "thundergate.alert",
    # People and what lets them in; what is everybody's; what is of ids alone.
    "thundergate.user", "thundergate.apikey", "thundergate.accesstoken", "thundergate.memorygrant",
    "thundergate.repeatable", "axes.accessattempt", "thunderblock.activedomain", "thunderflow.entry",
    "thunderflow.namespace", "memory.unlinkedmemory",
}  # fmt: skip


@pytest.fixture
def onlooker(client: Client) -> Client:
    """Who may look at every model, and sees open worlds only.

    But for what opens streams besides: the blackboard's, which is everybody's, and the system's, which tells who has
    which part of it.
    """
    user = make_user("onlooker", is_staff=True)
    besides = ["view_entry", "view_activedomain"]
    views = Permission.objects.filter(codename__startswith="view_").exclude(codename__in=besides)
    user.user_permissions.set(views)
    client.force_login(user)
    return client


def test_who_may_not_see_a_world_sees_none_of_it(onlooker: Client) -> None:
    world, agent, _ = some_of_everything()
    type(world).objects.filter(pk=world.pk).update(access="private", owner=make_user("owner"))
    secret = ("Harbour", "Mara", "Quetzalina", str(agent.pk), str(world.pk), *map(str, zone_ids(world)))
    for model in registered():
        if model._meta.label_lower in OF_THE_SYSTEM | RECORDS:
            continue
        shown = onlooker.get(address(model))
        assert shown.status_code == 200, model
        found = [word for word in secret if word in shown.content.decode()]
        assert found == [], model._meta.label
        for row in model._default_manager.order_by("pk")[:2]:
            page = onlooker.get(address(model, "change", row.pk), follow=True).content.decode()
            assert [word for word in secret if word in page.replace(str(row.pk), "")] == [], (model, row.pk)


def test_records_of_everything_are_for_who_sees_every_world(onlooker: Client) -> None:
    some_of_everything()
    records = [model for model in registered() if model._meta.label_lower in RECORDS]
    assert [onlooker.get(address(model)).status_code for model in records] == [403] * 2
    row = AuditEntry.objects.earliest("pk")
    assert onlooker.get(address(AuditEntry, "change", row.pk)).status_code == 403
    assert address(AuditEntry) not in onlooker.get(reverse("admin:index")).content.decode()
    people = get_user_model().objects
    people.get(username="onlooker").user_permissions.add(Permission.objects.get(codename="see_every_world"))
    assert [onlooker.get(address(model)).status_code for model in records] == [200] * 2


def zone_ids(world: Any) -> list[Any]:
    return list(Zone.objects.filter(world=world).values_list("pk", flat=True))


def test_who_sees_the_world_sees_what_happens_in_it_but_not_what_is_remembered(onlooker: Client) -> None:
    world, agent, _ = some_of_everything()
    type(world).objects.filter(pk=world.pk).update(access="open", owner=make_user("owner"))
    for label, word in {"agents.agent": "Mara", "thunderflow.event": "zone:", "agents.message": "Mara",
                        "agents.embodiment": "Mara", "memory.memoryhealth": "Mara"}.items():  # fmt: skip
        assert word in onlooker.get(address(apps.get_model(label))).content.decode(), label
    form = onlooker.get(address(type(agent), "change", agent.pk)).content.decode()
    assert "Current focus" in form
    assert "Working memory" not in form
    for label in ("memory.memorynode", "memory.memoryedge", "memory.memoryentity", "memory.memoryfact"):
        model = apps.get_model(label)
        assert onlooker.get(address(model)).context["cl"].result_count == 0, label


def test_a_grant_opens_memories_and_looks_into_them_are_told(onlooker: Client) -> None:
    world, agent, _ = some_of_everything()
    type(world).objects.filter(pk=world.pk).update(access="open", owner=make_user("owner"))
    user = get_user_model().objects.get(username="onlooker")
    grants.grant(user, agent.pk, by="tests")
    shown = onlooker.get(address(MemoryNode)).context["cl"]
    assert {row.agent_id for row in shown.result_list} == {agent.pk}
    assert shown.result_count == MemoryNode.objects.filter(agent=agent).count()
    row = MemoryNode.objects.filter(agent=agent).first()
    assert onlooker.get(address(MemoryNode, "change", row.pk)).status_code == 200
    assert "Working memory" in onlooker.get(address(type(agent), "change", agent.pk)).content.decode()
    told = apps.get_model("thunderflow.Event").objects.filter(topic="system.memories_read")
    assert [(event.payload["why"], event.payload["door"], event.actor) for event in told] == [
        ("grant", "admin", "user:onlooker")
    ] * 3


def test_operators_look_without_being_told_of(as_operator: Client) -> None:
    _, agent, _ = some_of_everything()
    assert "Working memory" in as_operator.get(address(type(agent), "change", agent.pk)).content.decode()
    assert as_operator.get(address(MemoryNode)).context["cl"].result_count == MemoryNode.objects.count()
    assert not apps.get_model("thunderflow.Event").objects.filter(topic="system.memories_read").exists()


# --- What takes too long -------------------------------------------------------------------------------------


def test_a_list_that_takes_too_long_is_given_up_and_says_so(
    as_operator: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slow(self: Any, request: Any) -> Any:
        return zones_of(self, request).extra(where=["pg_sleep(3) IS NOT NULL"])

    zones = admin.site._registry[Zone]
    zones_of = type(zones).get_queryset
    make_world()
    monkeypatch.setattr(type(zones), "get_queryset", slow)
    monkeypatch.setattr("domains.readonly.PATIENCE_S", 0.2)
    answer = as_operator.get(address(Zone), {"q": "Zone"}, follow=True)
    assert answer.redirect_chain == [(address(Zone), 302), (reverse("admin:index"), 302)]
    assert "was given up" in answer.content.decode()
    with connection.cursor() as cursor:
        cursor.execute("SHOW statement_timeout")
        assert cursor.fetchone()[0] == "0"
