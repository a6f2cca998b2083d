"""The blackboard in the admin: what is changed there has its version, its event and its author."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse

from domains.thunderflow import queries as flow
from domains.thunderflow.blackboard import actions, queries
from tests.factories import make_user

pytestmark = pytest.mark.django_db

LIST = "admin:thunderflow_entry_changelist"


def form(page: Any, **changes: Any) -> dict[str, Any]:
    """What the page's form would send, with changes."""
    made = page.context["adminform"].form
    values = {name: made[name].value() for name in made.fields}
    return {name: "" if value is None else value for name, value in (values | changes).items()}


def change(key: str) -> str:
    return reverse("admin:thunderflow_entry_change", args=[key.replace("_", "_5F")])


def test_an_entry_is_added_by_its_action(as_operator: Client) -> None:
    add = reverse("admin:thunderflow_entry_add")
    values = form(as_operator.get(add), key="town.clock", value='{"at": 12}', ttl_s="60")
    assert as_operator.post(add, values).status_code == 302
    entry = queries.get("town.clock")
    assert entry
    assert (entry.value, entry.author, entry.version) == ({"at": 12}, "user:operator", 1)
    assert entry.expires_at
    assert [e.actor for e in flow.read_stream("blackboard:town", after=0)] == ["user:operator"]


@pytest.mark.parametrize("value", ["0", "[]", "null", "false", '""', '"noon"'])
def test_an_empty_value_is_a_value(as_operator: Client, value: str) -> None:
    add = reverse("admin:thunderflow_entry_add")
    page = as_operator.post(add, form(as_operator.get(add), key="town.clock", value=value))
    assert page.status_code == 302, page.context["errors"]
    entry = queries.get("town.clock")
    assert entry
    assert entry.value in (0, [], None, False, "", "noon")


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        ("key", "Town", "a key is lower-case words"),
        ("value", "{", "Enter a valid JSON"),
        ("value", '"\\u0000"', "Null characters are not allowed"),
        ("ttl_s", "-5", "a time to live is"),
    ],
)
def test_what_is_wrong_is_said_at_its_field(as_operator: Client, field: str, value: str, says: str) -> None:
    add = reverse("admin:thunderflow_entry_add")
    page = as_operator.post(add, form(as_operator.get(add), **{"key": "town.clock", "value": "1", field: value}))
    assert says in str(page.context["adminform"].form.errors[field])
    assert queries.query("**") == []


def test_an_entry_is_changed_unless_somebody_was_there_before(as_operator: Client) -> None:
    actions.put("town.old_clock", 1, by="user:ada")
    first, second = (form(as_operator.get(change("town.old_clock")), value=value) for value in ("2", "3"))
    assert as_operator.post(change("town.old_clock"), first).status_code == 302
    page = as_operator.post(change("town.old_clock"), second, follow=True)
    assert "version 1 was expected, and it is at version 2; read it again" in page.content.decode()
    entry = queries.get("town.old_clock")
    assert entry
    assert (entry.value, entry.version, entry.author) == (2, 2, "user:operator")


def test_one_that_is_there_is_not_added_over(as_operator: Client) -> None:
    actions.put("town.clock", 1, by="user:ada")
    add = reverse("admin:thunderflow_entry_add")
    page = as_operator.post(add, form(as_operator.get(add), key="town.clock", value="2"))
    assert "already exists" in str(page.context["adminform"].form.errors)
    entry = queries.get("town.clock")
    assert entry
    assert entry.value == 1


def test_entries_are_deleted_with_their_events(as_operator: Client) -> None:
    actions.put_many([actions.Put(f"town.{n}", n) for n in range(3)], by="user:ada")
    one = reverse("admin:thunderflow_entry_delete", args=["town.0"])
    assert as_operator.post(one, {"post": "yes"}).status_code == 302
    chosen = {"action": "delete_selected", "_selected_action": ["town.1", "town.2"], "post": "yes"}
    assert as_operator.post(reverse(LIST), chosen).status_code == 302
    assert queries.query("**") == []
    told = [(e.payload["change"], e.actor) for e in flow.read_stream("blackboard:town", after=3)]
    assert told == [("deleted", "user:operator")] * 3


def test_the_list_is_filtered_and_searched(as_operator: Client) -> None:
    actions.put_many([actions.Put("town.clock", 1), actions.Put("town-hall.clock", 2)], by="user:ada")
    actions.put("mill.wheel", "x" * 500, by="user:ben", ttl_s=60)
    actions.put("mill.gone", 1, by="user:ben", ttl_s=0.000001)

    def found(**query: str) -> set[str]:
        return {entry.key for entry in as_operator.get(reverse(LIST), query).context["cl"].result_list}

    assert found() == {"town.clock", "town-hall.clock", "mill.wheel"}
    assert found(namespace="town") == {"town.clock"}
    assert found(lasting="while") == {"mill.wheel"}
    assert found(lasting="good") == {"town.clock", "town-hall.clock"}
    assert found(q="mill.") == {"mill.wheel"}
    assert found(q="user:ada") == {"town.clock", "town-hall.clock"}
    assert found(namespace="strange(") == set()


def test_a_namespace_is_made_and_given_away(as_operator: Client) -> None:
    add = reverse("admin:thunderflow_namespace_add")
    values = form(as_operator.get(add), name="town", owner="user:ada", writers="owner")
    assert as_operator.post(add, values).status_code == 302
    assert queries.namespace("town") == queries.Namespace("town", "user:ada", "owner")
    one = reverse("admin:thunderflow_namespace_change", args=["town"])
    assert as_operator.post(one, form(as_operator.get(one), owner="user:ben")).status_code == 302
    assert queries.namespace("town") == queries.Namespace("town", "user:ben", "owner")
    told = [e for e in flow.read_stream("system", after=0) if e.topic == "system.blackboard_namespace"]
    assert [(e.actor, e.payload["owner"]) for e in told] == [
        ("user:operator", "user:ada"), ("user:operator", "user:ben"),
    ]  # fmt: skip


def test_staff_without_the_operator_s_power_keep_to_the_rules(client: Client) -> None:
    staff = make_user("clerk", is_staff=True)
    staff.user_permissions.set(Permission.objects.filter(content_type__app_label="thunderflow"))
    client.force_login(staff)
    actions.set_namespace("town", by="user:ada", writers="owner")
    add = reverse("admin:thunderflow_entry_add")
    page = client.post(add, form(client.get(add), key="town.clock", value="1"), follow=True)
    assert "only user:ada may write in town" in page.content.decode()
    one = reverse("admin:thunderflow_namespace_change", args=["town"])
    page = client.post(one, form(client.get(one), owner="user:clerk"), follow=True)
    assert "town belongs to user:ada, who decides about it" in page.content.decode()
    assert queries.query("**") == []


def test_several_of_which_one_is_another_s_are_all_left(client: Client) -> None:
    staff = make_user("clerk", is_staff=True)
    staff.user_permissions.set(Permission.objects.filter(content_type__app_label="thunderflow"))
    client.force_login(staff)
    actions.set_namespace("town", by="user:ada", writers="owner")
    actions.put_many([actions.Put("town.clock", 1)], by="user:ada")
    actions.put_many([actions.Put("desk.pen", 1)], by="user:clerk")
    chosen = {"action": "delete_selected", "_selected_action": ["desk.pen", "town.clock"], "post": "yes"}
    page = client.post(reverse(LIST), chosen, follow=True)
    assert "only user:ada may write in town" in page.content.decode()
    assert [entry.key for entry in queries.query("**")] == ["desk.pen", "town.clock"]
    assert not LogEntry.objects.exists()
