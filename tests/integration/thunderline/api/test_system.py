from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from django.utils import timezone

from domains.thunderblock import guards
from domains.thunderblock import queries as registry
from domains.thunderflow.models import DeadLetter, Subscription
from domains.thunderlink import nodes
from tests.factories import beat, make_user, make_world
from tests.integration.thunderline.api.conftest import Api, grant, problem
from zones.events import zone_stream


def _letter(position: int = 1, **fields: Any) -> DeadLetter:
    subscription, _ = Subscription.objects.get_or_create(name="chronicle", defaults={"pattern": "**", "shards": 1})
    now = timezone.now()
    usual: dict[str, Any] = {
        "shard": 0, "stream": "zone:x", "seq": position, "position": position, "topic": "zone.x.changed",
        "event": {"payload": {"n": position}}, "attempts": 6, "error_class": "transient", "error": "TimeoutError: no",
        "traceback": "Traceback …", "first_failed_at": now, "failed_at": now,
    }  # fmt: skip
    return DeadLetter.objects.create(subscription=subscription, **{**usual, **fields})


def test_dead_letters_are_listed_sent_again_and_let_go(api: Api) -> None:
    letters = [_letter(n) for n in (1, 2, 3)]
    page, seen = "dead-letters?limit=2&subscription=chronicle&pattern=zone.**&error_class=transient", []
    while page:
        answer = api.get(page).json()
        seen += [letter["position"] for letter in answer["results"]]
        page = answer["next"]
    assert seen == [3, 2, 1]
    assert api.get(f"dead-letters/{letters[0].pk}").json()["event"] == {"payload": {"n": 1}}
    again = api.post(f"dead-letters/{letters[0].pk}/retry")
    assert again.status_code == 202 and again.json()["status"] == "retrying"
    assert again.json()["resolved_by"] == "user:operator"
    problem(api.post(f"dead-letters/{letters[0].pk}/retry"), 409, "wrong_state")
    assert api.delete(f"dead-letters/{letters[1].pk}").status_code == 204
    assert DeadLetter.objects.get(pk=letters[1].pk).status == "discarded"  # the row stays
    problem(api.delete(f"dead-letters/{letters[1].pk}"), 409, "wrong_state")
    problem(api.post(f"dead-letters/{uuid4()}/retry"), 404, "not_found")


def test_looking_at_dead_letters_is_not_resolving_them() -> None:
    letter = _letter(stream="system")
    viewer = Api(grant(make_user("viewer"), "thunderflow.view_deadletter", "thunderblock.view_activedomain"))
    assert viewer.get("dead-letters").json()["results"][0]["id"] == str(letter.pk)
    problem(viewer.post(f"dead-letters/{letter.pk}/retry"), 403, "access_denied")
    problem(viewer.delete(f"dead-letters/{letter.pk}"), 403, "access_denied")
    assert DeadLetter.objects.get().status == "waiting"


def test_dead_letters_of_worlds_that_one_may_not_see_are_not_there() -> None:
    world = make_world(by=make_user("owner"))
    letter = _letter(stream=zone_stream(world.zones.first().pk))
    may = ("thunderflow.view_deadletter", "thunderflow.change_deadletter")
    keeper = Api(grant(make_user("keeper"), *may))
    assert keeper.get("dead-letters").json()["results"] == []
    problem(keeper.get(f"dead-letters/{letter.pk}"), 404, "not_found")
    problem(keeper.post(f"dead-letters/{letter.pk}/retry"), 404, "not_found")
    problem(keeper.delete(f"dead-letters/{letter.pk}"), 404, "not_found")
    assert DeadLetter.objects.get().status == "waiting"
    type(world).objects.update(access="open")
    assert keeper.get("dead-letters").json()["results"][0]["id"] == str(letter.pk)
    assert keeper.post(f"dead-letters/{letter.pk}/retry").status_code == 202


def test_domains_are_listed_and_switched(api: Api) -> None:
    names = [domain["name"] for domain in api.get("domains").json()["results"]]
    assert names == sorted(names) and "thunderpac" in names
    off = api.post("domains/thunderpac/off", {"reason": "being mended"})
    assert off.json()["status"] == "inactive" and off.json()["reason"] == "being mended"
    guards.forget()
    problem(api.get("agents"), 503, "domain_inactive")
    assert api.post("domains/thunderpac/on").json()["status"] == "waiting"
    for path in ("domains/nothing", "domains/nothing/on"):
        problem(api.get(path) if path.endswith("g") else api.post(path), 404, "not_found")
    problem(api.post("domains/thundervault/off", {}), 400, "invalid")
    status = registry.domain_status("thundervault")
    assert status is not None and status.enabled


def test_nodes_that_live_are_listed(api: Api) -> None:
    node_id = nodes.register("ws://127.0.0.1:8000")
    nodes.beat(node_id, sessions=3, cpu=0.5, memory_mb=100.0)
    (node,) = api.get("nodes").json()["results"]
    assert (node["id"], node["sessions"], node["cpu"]) == (str(node_id), 3, 0.5)
    nodes.leave(node_id)
    assert api.get("nodes").json()["results"] == []


@pytest.mark.django_db(transaction=True)
def test_health_tells_operators_more() -> None:
    beat()
    told = Api(make_user("operator", operator=True)).get("health").json()
    assert told["status"] in ("ok", "degraded") and {"database", "redis", "heartbeat"} <= set(told["parts"])
    assert Api(make_user("member")).get("health").json()["parts"] is None
