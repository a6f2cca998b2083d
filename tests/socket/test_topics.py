"""What the other topics show: heartbeats, domains that begin and end, every agent's tick."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from django.db import transaction

from domains.ids import new_id
from domains.thunderblock import actions as domains
from domains.thunderflow import queries
from domains.thunderflow.actions import publish_many
from domains.thundergate import tokens
from domains.thunderlink import actions as thunderlink
from tests.factories import make_user, make_world, run_ticks, wake_domains
from tests.integration.thunderflow.told import told
from tests.phoenix import PhoenixClient, Refused
from tests.socket.server import StartServer, serve
from tests.socket.test_feed import wait_for_number
from tests.socket.watching import Scene
from tests.tables import commits
from thunderline import channels

__all__ = ["commits", "serve"]

pytestmark = pytest.mark.django_db(transaction=True)


def test_heartbeats(serve: StartServer, monkeypatch: pytest.MonkeyPatch) -> None:
    scene = Scene()
    monkeypatch.setattr(thunderlink, "_send", lambda *args, **kwargs: None)  # there is no worker
    with scene.client(serve().url) as client:
        channel = client.join("system:domain_tick")
        tick = thunderlink.beat(interval_s=0.01)
        assert tick is not None
        told = channel.wait_for("domain_tick").payload
        assert told.keys() >= {"count", "timestamp", "latency_ms", "active_domains", "seq"}
        assert (told["count"], told["active_domains"]) == (tick.number, 8)


def test_domains_that_begin_and_end(serve: StartServer) -> None:
    scene = Scene()
    with scene.client(serve().url) as client:
        ended, begun = client.join("system:domain_deactivated"), client.join("system:domain_activated", batch=True)
        domains.switch_off("thundervault", reason="for repairs", now=datetime.now(UTC))
        assert ended.wait_for("domain_deactivated").payload["domain"] == "thundervault"
        domains.switch_on("thundervault", now=datetime.now(UTC))
        domains.start_all(now=datetime.now(UTC), eager=True)
        begun.wait_for("domain_activated", lambda payload: payload["domain"] == "thundervault")
        assert {event.event for event in ended.events() if event.seq} == {"domain_deactivated"}


def test_every_tick_of_a_world_of_a_zone_and_of_all(serve: StartServer) -> None:
    scene = Scene(agents=6)
    elsewhere = make_world("Elsewhere", agents=2, zones=1)
    since = queries.settled()
    with scene.client(serve().url) as client:
        everything = client.join("agents:updates", batch=True)
        with scene.client(client.url) as second, scene.client(client.url) as third:
            world = second.join("agents:updates", world=scene.world.pk)
            zone = third.join("agents:updates", zone=scene.zone.pk, batch=True)
            run_ticks(scene.world, 2)
            run_ticks(elsewhere, 2)
            ticks = [e for e in queries.read(after=since, limit=10_000)[0] if e.topic.endswith(".agent_ticked")]
            of_world = [e.position for e in ticks if str(elsewhere.zones.get().pk) not in e.topic]
            of_zone = [e.position for e in ticks if str(scene.zone.pk) in e.topic]
            wanted = (([e.position for e in ticks], everything), (of_world, world), (of_zone, zone))
            for positions, channel in wanted:
                wait_for_number(channel, positions[-1])
                assert [event.seq for event in channel.events("agent_ticked")] == positions
            assert {event.payload["zone_id"] for event in zone.events("agent_ticked")} == {str(scene.zone.pk)}


def test_one_sees_the_ticks_of_worlds_that_one_may_see(serve: StartServer) -> None:
    from domains.thundergate import tokens

    scene = Scene()
    server = serve()
    shared = make_world("Shared", agents=2, zones=1, access="open")
    with PhoenixClient(server.url, tokens.issue(make_user("ada"), by="test")) as client:
        channel = client.join("agents:updates")
        run_ticks(scene.world, 1)
        run_ticks(shared, 1)
        channel.wait_until(lambda events: len(events) >= 2, what="two ticks")
        assert {event.payload["zone_id"] for event in channel.events()} == {str(shared.zones.get().pk)}


def test_everything_of_a_world(serve: StartServer) -> None:
    scene = Scene(agents=6)
    elsewhere = make_world("Elsewhere", agents=2, zones=1)
    since = queries.settled()
    run_ticks(scene.world, 2)
    run_ticks(elsewhere, 2)
    mine = {str(pk): f"zone:{pk}" for pk in scene.world.zones.values_list("pk", flat=True)}
    told = [e for e in queries.read(after=since, limit=10_000)[0] if e.stream in mine.values()]
    with scene.client(serve().url) as client:
        channel = client.join(f"world:{scene.world.pk}", since=since, batch=True)
        wait_for_number(channel, told[-1].position)
        events = [event for event in channel.events() if event.seq and event.seq <= told[-1].position]
        assert [(event.seq, mine[event.payload["zone_id"]]) for event in events] == [
            (e.position, e.stream) for e in told
        ]
        assert {event.event for event in events} >= {"agent_ticked"}


def test_a_world_that_one_may_not_see_is_not_there(serve: StartServer) -> None:
    scene = Scene()
    stranger = tokens.issue(make_user("stranger"), by="test")
    with PhoenixClient(serve().url, stranger) as client:
        for world, reason in (
            (scene.world.pk, "access_denied"), (new_id(), "access_denied"), ("harbour", "invalid_world_id"),
        ):  # fmt: skip
            with pytest.raises(Refused) as refused:
                client.join(f"world:{world}")
            assert refused.value.reason == reason


def tell(*whats: str, stream: str = "test:1", topic: str = "test.told") -> None:
    with transaction.atomic():
        publish_many([told(stream, what, topic=topic) for what in whats])


def test_the_log_in_words(serve: StartServer) -> None:
    scene = Scene()
    operator = tokens.issue(make_user("ada", operator=True), by="test")
    with PhoenixClient(serve().url, operator) as client:
        channel = client.join("events:tail", pattern="test.**")
        run_ticks(scene.world, 1)
        tell("first", "second")
        channel.wait_until(lambda events: len(events) >= 2, what="two lines")
        lines = [event.payload for event in channel.events("told")]
        assert [(line["text"], line["topic"], line["zone"]) for line in lines] == [
            ("first", "test.told", ""), ("second", "test.told", ""),
        ]  # fmt: skip
        for line in lines:
            channels.Line.model_validate({name: value for name, value in line.items() if name != "seq"})


def test_of_very_much_only_the_newest_lines_come(serve: StartServer) -> None:
    wake_domains()
    operator = tokens.issue(make_user("ada", operator=True), by="test")
    since = queries.settled()
    tell(*(f"line {n}" for n in range(250)))
    with PhoenixClient(serve().url, operator) as client:
        channel = client.join("events:tail", pattern="test.**", since=since, batch=True)
        channel.wait_until(lambda events: any(e.payload.get("text") == "line 249" for e in events), what="the last")
        events = channel.events()
        assert [event.event for event in events] == ["left_out"] + 100 * ["told"]
        assert [event.payload["text"] for event in events[1:]] == [f"line {n}" for n in range(150, 250)]


def test_one_reads_lines_of_what_one_may_see(serve: StartServer) -> None:
    scene = Scene()
    shared = make_world("Shared", agents=2, zones=1, access="open")
    with PhoenixClient(serve().url, tokens.issue(make_user("ada"), by="test")) as client:
        channel = client.join("events:tail")
        tell("not for ada", stream="system", topic="system.told")
        run_ticks(scene.world, 1)
        run_ticks(shared, 1)
        mine = str(shared.zones.get().pk)
        channel.wait_until(lambda events: any(e.payload.get("zone_id") == mine for e in events), what="a line")
        told_of = [event.payload for event in channel.events("told")]
        assert {line["zone_id"] for line in told_of if line["topic"].startswith("zone.")} == {mine}
        assert not any(line["topic"].startswith("system.") for line in told_of)


def test_a_pattern_that_is_none_is_refused(serve: StartServer) -> None:
    wake_domains()
    operator = tokens.issue(make_user("ada", operator=True), by="test")
    with PhoenixClient(serve().url, operator) as client, pytest.raises(Refused) as refused:
        client.join("events:tail", pattern="a..b")
    assert (refused.value.reason, refused.value.response["field"]) == ("invalid_payload", "pattern")
