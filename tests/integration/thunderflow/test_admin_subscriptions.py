"""Subscriptions and dead letters in the admin: what is shown, and who may do what."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from domains.thunderflow import queries
from domains.thunderflow.models import Cursor, DeadLetter, Subscription
from tests.conftest import CountQueries
from tests.integration.thunderflow.following import Effects, follow, refusing, settle, tell_some

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("commits")]

SUBSCRIPTIONS = reverse("admin:thunderflow_subscription_changelist")
LETTERS = reverse("admin:thunderflow_deadletter_changelist")


@pytest.fixture
def dead() -> DeadLetter:
    effects = Effects()
    effects.fails = refusing("a1", error=lambda text: PermissionError(text))
    shard = follow(effects)
    tell_some("a", "a1", "a2")
    settle(shard)
    return DeadLetter.objects.get()


def act(client: Client, url: str, action: str, *rows: Any, **fields: Any) -> Any:
    data = {"action": action, "_selected_action": [row.pk for row in rows], **fields}
    return client.post(url, data, follow=True)


def test_pages_show_how_things_stand(as_operator: Client, dead: DeadLetter, count_queries: CountQueries) -> None:
    page = as_operator.get(SUBSCRIPTIONS).content.decode()
    assert "waits for a follower" in page and "test.**" in page
    page = as_operator.get(LETTERS).content.decode()
    assert "PermissionError: not a1" in page
    page = as_operator.get(reverse("admin:thunderflow_deadletter_change", args=[dead.pk])).content.decode()
    assert "Traceback" in page and "&quot;what&quot;: &quot;a1&quot;" in page
    for name in ("parkedstream", "breaker", "follower"):
        assert as_operator.get(reverse(f"admin:thunderflow_{name}_changelist")).status_code == 200
    with count_queries() as few:
        as_operator.get(SUBSCRIPTIONS)
    for n in range(20):
        Cursor.objects.create(subscription=Subscription.objects.create(name=f"s{n}", pattern="**", shards=1), shard=0)
    with count_queries() as many:
        as_operator.get(SUBSCRIPTIONS)
    assert len(many) == len(few)


def test_operators_pause_rewind_and_resume(as_operator: Client, dead: DeadLetter) -> None:
    row = Subscription.objects.get()
    page = act(as_operator, SUBSCRIPTIONS, "rewind", row, position="0").content.decode()
    assert "pause it first" in page
    act(as_operator, SUBSCRIPTIONS, "pause", row)
    assert Subscription.objects.get().paused_by == "user:operator"
    page = act(as_operator, SUBSCRIPTIONS, "rewind", row, position="").content.decode()
    assert "Give the position" in page
    act(as_operator, SUBSCRIPTIONS, "rewind", row, position="0")
    act(as_operator, SUBSCRIPTIONS, "resume", row)
    assert Cursor.objects.get().position == 0
    assert not Subscription.objects.get().paused
    told = queries.read(after=0, pattern="system.subscription_changed")[0]
    assert [event.payload["what"] for event in told] == ["declared", "paused", "rewound", "resumed"]


def test_operators_resolve_dead_letters(as_operator: Client, dead: DeadLetter) -> None:
    act(as_operator, LETTERS, "retry", dead)
    dead.refresh_from_db()
    assert (dead.status, dead.resolved_by) == ("retrying", "user:operator")
    DeadLetter.objects.update(status="waiting")
    act(as_operator, LETTERS, "discard", dead)
    dead.refresh_from_db()
    assert dead.status == "discarded" and dead.resolved_at


def test_others_may_not(client: Client, member: Any, dead: DeadLetter) -> None:
    client.force_login(member)
    assert client.get(LETTERS).status_code in (302, 403)
    act(client, LETTERS, "discard", dead)
    act(client, SUBSCRIPTIONS, "pause", Subscription.objects.get())
    dead.refresh_from_db()
    assert dead.status == "waiting"
    assert not Subscription.objects.get().paused


def test_nothing_can_be_made_or_deleted_by_hand(as_operator: Client, dead: DeadLetter) -> None:
    for name, pk in (("deadletter", dead.pk), ("subscription", Subscription.objects.get().pk)):
        assert as_operator.get(reverse(f"admin:thunderflow_{name}_add")).status_code == 403
        assert as_operator.post(reverse(f"admin:thunderflow_{name}_delete", args=[pk])).status_code == 403


def test_metrics_tell_of_followers(client: Client, dead: DeadLetter) -> None:
    told = client.get("/metrics").content.decode()
    assert 'thunderline_dead_letters_waiting{subscriber="test"} 1.0' in told
    assert 'thunderline_subscriber_lag{subscriber="test"}' in told
