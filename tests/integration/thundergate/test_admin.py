"""Tokens in the admin: seen, revoked, never written by hand, and no obstacle to deleting their user."""

from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse

from domains.thunderflow import queries as log
from domains.thundergate import repeats, tokens
from domains.thundergate.models import AccessToken, Repeatable, User
from domains.thundergate.repeats import Answer
from tests.conftest import CountQueries
from tests.factories import make_user

pytestmark = pytest.mark.django_db
LIST = "admin:thundergate_accesstoken_changelist"


def revoke(client: Client, *ids: Any) -> Any:
    data = {"action": "revoke", "_selected_action": [str(id_) for id_ in ids]}
    return client.post(reverse(LIST), data, follow=True)


def test_the_list_shows_states_and_filters_by_them(as_operator: Client, member: Any) -> None:
    token = tokens.issue(member, by="operator")
    tokens.revoke([tokens.id_of(tokens.issue(member, by="operator"))], by="operator", reason="mislaid")
    page = as_operator.get(reverse(LIST)).content.decode()
    assert "mislaid" in page and str(tokens.id_of(token)) in page
    assert token not in page
    for state, count in (("good", 1), ("revoked", 1), ("expired", 0), ("nonsense", 2)):
        assert as_operator.get(reverse(LIST), {"state": state}).context["cl"].result_count == count


def test_the_list_asks_as_much_for_many(as_operator: Client, count_queries: CountQueries) -> None:
    def cost() -> int:
        with count_queries() as statements:
            assert as_operator.get(reverse(LIST)).status_code == 200
        return len(statements)

    tokens.issue(make_user("first"), by="operator")
    cost()
    few = cost()
    for i in range(10):
        tokens.issue(make_user(f"user {i}"), agent_id=uuid4(), by="operator")
    assert cost() == few


def test_tokens_are_revoked(as_operator: Client, member: Any) -> None:
    ids = [tokens.id_of(tokens.issue(member, by="operator")) for _ in range(2)]
    assert "2 revoked." in revoke(as_operator, *ids).content.decode()
    assert tokens.no_longer(ids, [])[0] == set(ids)
    assert [event.actor for event in log.read_stream("security", after=0)][-2:] == ["user:operator"] * 2


def test_who_may_only_look_revokes_nothing(client: Client, member: Any) -> None:
    member.is_staff = True
    member.save()
    member.user_permissions.set(Permission.objects.filter(codename="view_accesstoken"))
    client.force_login(member)
    token = tokens.issue(member, by="operator")
    revoke(client, tokens.id_of(token))
    assert tokens.read(token)


def test_nobody_writes_tokens_by_hand(as_operator: Client, member: Any) -> None:
    token_id = tokens.id_of(tokens.issue(member, by="operator"))
    assert as_operator.get(reverse("admin:thundergate_accesstoken_add")).status_code == 403
    assert as_operator.get(reverse("admin:thundergate_accesstoken_change", args=[token_id])).status_code == 200
    for page in ("change", "delete"):
        assert as_operator.post(reverse(f"admin:thundergate_accesstoken_{page}", args=[token_id])).status_code == 403


def test_a_user_can_be_deleted_with_tokens_and_what_was_kept(as_operator: Client, member: Any) -> None:
    tokens.issue(member, by="operator")
    repeats.once(member.pk, "k1", b"", lambda: "done", keep=lambda _: Answer(), again=lambda _: "again")
    page = reverse("admin:thundergate_user_delete", args=[member.pk])
    assert as_operator.post(page, {"post": "yes"}).status_code == 302
    assert not User.objects.filter(pk=member.pk).exists()
    assert not AccessToken.objects.exists() and not Repeatable.objects.exists()
