"""`Idempotency-Key` and `If-Match`: requests that come twice, together, or too late."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection, transaction

from domains import sql
from domains.thundergate.models import Repeatable
from domains.thundergate.repeats import store
from tests.factories import make_user, make_world, wake_domains
from tests.integration.thunderline.api.conftest import Api, grant, problem
from tests.tables import commits
from tests.threads import at_once, threads
from zones.models import World, Zone

__all__ = ["commits"]


def test_a_create_that_is_sent_again_is_done_once(api: Api) -> None:
    first = api.post("worlds", {"name": "Harbour"}, Idempotency_Key="k1")
    again = api.post("worlds", {"name": "Harbour"}, Idempotency_Key="k1")
    assert (again.status_code, again.content) == (201, first.content)
    assert again["Location"] == first["Location"] and again["ETag"] == first["ETag"]
    assert again["Idempotency-Replayed"] == "true" and "Idempotency-Replayed" not in first
    assert World.objects.count() == 1


def test_a_key_is_for_one_request(api: Api) -> None:
    assert api.post("worlds", {"name": "Harbour"}, Idempotency_Key="k1").status_code == 201
    problem(api.post("worlds", {"name": "Meadow"}, Idempotency_Key="k1"), 422, "key_reused")
    problem(api.post("zones", {"name": "Harbour"}, Idempotency_Key="k1"), 400)
    assert World.objects.count() == 1 and not Zone.objects.exists()


def test_a_refusal_may_be_mended_under_the_same_key(api: Api) -> None:
    api.post("worlds", {"name": "Harbour"})
    problem(api.post("worlds", {"name": "Harbour"}, Idempotency_Key="k1"), 422, "invalid_payload")
    assert not Repeatable.objects.exists()
    assert api.post("worlds", {"name": "Meadow"}, Idempotency_Key="k1").status_code == 201


def test_keys_are_each_users_own(api: Api) -> None:
    other = Api(grant(make_user("other"), "zones.add_world"))
    assert api.post("worlds", {"name": "Harbour"}, Idempotency_Key="k1").status_code == 201
    assert other.post("worlds", {"name": "Meadow"}, Idempotency_Key="k1").json()["name"] == "Meadow"


def test_after_a_day_a_key_is_new_and_old_ones_are_swept(api: Api) -> None:
    for key in ("k1", "k2"):
        assert api.post("worlds", {"name": f"Harbour {key}"}, Idempotency_Key=key).status_code == 201
    sql.execute("UPDATE repeatable_requests SET inserted_at = inserted_at - interval '2 days', "
                "expires_at = expires_at - interval '2 days'")  # fmt: skip
    assert api.post("worlds", {"name": "Meadow"}, Idempotency_Key="k1").json()["name"] == "Meadow"
    assert list(Repeatable.objects.values_list("key", flat=True)) == ["k1"]


@pytest.mark.parametrize("key", ["", "two words", "ü", "x" * 256])
def test_keys_that_are_none(api: Api, key: str) -> None:
    problem(api.post("worlds", {"name": "Harbour"}, Idempotency_Key=key), 400)
    assert not World.objects.exists()


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("commits")
def test_the_same_request_twice_at_once_is_done_once() -> None:
    api = Api(make_user("operator", operator=True))
    answers = at_once(*[lambda: api.post("worlds", {"name": "Harbour"}, Idempotency_Key="k1")] * 4)
    assert World.objects.count() == 1
    for answer in answers:
        if answer.status_code != 201:
            problem(answer, 409, "in_progress")
            assert answer["Retry-After"] == "1"
    assert api.post("worlds", {"name": "Harbour"}, Idempotency_Key="k1")["Idempotency-Replayed"] == "true"


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("commits")
def test_while_a_key_is_under_way_its_twin_is_turned_away() -> None:
    api = Api(make_user("operator", operator=True))
    with threads(1) as started, transaction.atomic():
        sql.fetch_rows(store.LOCK, [f"{api.user.pk}:k1"])
        refused = started.start(lambda: api.post("worlds", {"name": "Harbour"}, Idempotency_Key="k1")).result(30)
        problem(refused, 409, "in_progress")
    assert api.post("worlds", {"name": "Harbour"}, Idempotency_Key="k1").status_code == 201


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("commits")
def test_what_is_not_committed_leaves_no_key_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    api = Api(make_user("operator", operator=True))
    monkeypatch.setattr(store, "SWEEP", "SELECT 1/0 WHERE %s > 0")  # the last statement of the transaction fails
    api.client.raise_request_exception = False
    assert api.post("worlds", {"name": "Harbour"}, Idempotency_Key="k1").status_code == 500
    monkeypatch.undo()
    assert not World.objects.exists() and not Repeatable.objects.exists()
    assert api.post("worlds", {"name": "Harbour"}, Idempotency_Key="k1").status_code == 201


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("commits")
def test_of_two_updates_of_the_same_version_one_wins() -> None:
    wake_domains()
    api, world = Api(make_user("operator", operator=True)), make_world(zones=1, agents=1)
    zone = Zone.objects.get(world=world)
    for address in (f"zones/{zone.pk}", f"agents/{zone.agents.get().pk}", f"worlds/{world.pk}"):
        tag = api.get(address)["ETag"]
        calls = [_update(api, address, f"version {i}", tag) for i in range(4)]
        statuses = sorted(answer.status_code for answer in at_once(*calls))
        assert statuses == [200, 412, 412, 412]


def _update(api: Api, address: str, text: str, tag: str) -> Any:
    return lambda: api.patch(address, {"description": text}, If_Match=tag)


def test_updates_need_their_precondition(api: Api, world: Any) -> None:
    for address in (f"worlds/{world.pk}", f"zones/{Zone.objects.filter(world=world).first().pk}"):  # type: ignore[union-attr]
        tag = api.get(address)["ETag"]
        problem(api.patch(address, {"description": "new"}), 428, "precondition_required")
        for wrong in ('"another"', f"W/{tag}", "nonsense", ""):
            refused = api.patch(address, {"description": "new"}, If_Match=wrong)
            problem(refused, 412, "precondition_failed")
        assert api.get(address)["ETag"] == tag
        assert api.patch(address, {"description": "one"}, If_Match=f'"other", {tag}').status_code == 200
        assert api.patch(address, {"description": "two"}, If_Match="*").status_code == 200


def test_the_table_refuses_what_makes_no_sense(operator: Any) -> None:
    for change in ("status = 404", "expires_at = inserted_at"):
        Repeatable.objects.all().delete()
        sql.execute(
            "INSERT INTO repeatable_requests (user_id, key, fingerprint, status, headers, body, inserted_at, "
            "expires_at) VALUES (%s, 'k', '', 201, '{}', '', now(), now() + interval '1 day')", [operator.pk],
        )  # fmt: skip
        with pytest.raises(Exception, match="repeatable"), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(f"UPDATE repeatable_requests SET {change}")
