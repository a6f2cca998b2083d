"""A call of a tool, whatever door it came by: who may, what is checked, what is told of it afterwards."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth.models import Group
from django.db import connection
from django.test import Client

from agents.engine import loop
from agents.models import Agent, Message
from domains import tools
from domains.thunderblock import actions as thunderblock
from domains.thunderblock import guards
from domains.thunderflow import queries as thunderflow
from domains.thundergate import grants
from domains.tools import Caller, Conduct, Reply, Request, ToolError, tool
from mcp_server import calls, switches
from mcp_server.access import Refused, Who, identify, of_user
from mcp_server.calls import Outcome
from mcp_server.models import ToolSetting
from tests.factories import make_user, make_world, run_ticks, wake_domains
from tests.unchanged import unchanged
from zones.models import World

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _awake(db: None) -> None:
    wake_domains()
    switches.forget()


@pytest.fixture
def owner(db: None) -> Any:
    return make_user("owner")


@pytest.fixture
def world(owner: Any) -> World:
    made: World = make_world(by=owner)
    run_ticks(made, 1)
    return made


def who_is(user: Any, **more: Any) -> Who:
    who = of_user(user.get_username(), door="http")
    values = {name: getattr(who, name) for name in who.__dataclass_fields__} | {"identity": str(uuid4())} | more
    return Who(**values)


def call(who: Who, name: str, /, **arguments: Any) -> Outcome:
    return calls.run(who, name, arguments, lambda done, total, message: None)


def done(who: Who, name: str, /, **arguments: Any) -> dict[str, Any]:
    found = call(who, name, **arguments)
    assert found.done, found
    assert found.data is not None
    return found.data


def audited() -> list[tuple[str, str]]:
    return [(e.payload["tool"], e.payload["outcome"]) for e in thunderflow.read_stream("tools", after=0)]


# --- What tools do -------------------------------------------------------------------------------------------


def test_an_agent_is_made_and_changed(owner: Any, world: World) -> None:
    who = who_is(owner)
    made = done(who, "pac_create_agent", zone="Zone 0", name="Mara", traits={"openness": 0.9}, goals=[{"name": "rest"}])
    assert (made["name"], made["traits"]["openness"], made["lifecycle"]) == ("Mara", 0.9, "active")
    changed = done(who, "pac_update_agent", agent="Mara", description="A keeper of nets.", traits={"openness": 0.1})
    assert (changed["description"], changed["traits"]["openness"]) == ("A keeper of nets.", 0.1)
    assert done(who, "pac_update_agent", agent="Mara", lifecycle="suspended")["lifecycle"] == "suspended"
    assert done(who, "pac_update_agent", agent="Mara", lifecycle="suspended")["lifecycle"] == "suspended"
    assert call(who, "pac_create_agent", zone="Zone 0", name="Mara").code == "invalid_payload"
    assert call(who, "pac_update_agent", agent="Mara").code == "invalid_arguments"
    assert call(who, "pac_update_agent", agent="Mara", traits={"charm": 1.0}).code == "invalid_payload"
    assert done(who, "pac_list_agents", world="Harbour", lifecycle="suspended")["total"] == 1


def test_members_may_give_birth_but_not_what_costs(world: World, member: Any) -> None:
    World.objects.filter(pk=world.pk).update(access="open")
    who = who_is(member)
    assert done(who, "pac_create_agent", zone="Zone 0", name="Mine")["yours_to_act_for"] is False
    refused = call(who, "pac_create_agent", zone="Zone 0", name="Theirs", reasoner="openai", capabilities=["use_tools"])
    assert (refused.code, "capabilities, reasoner" in refused.text) == ("access_denied", True)
    assert not Agent.objects.filter(name="Theirs").exists()


def test_a_zone_is_made_with_its_ways(owner: Any, world: World) -> None:
    who = who_is(owner)
    done(who, "zone_create", world="Harbour", name="Mill", neighbours=["Zone 0"], capacity=3)
    seen = done(who, "observe_environment", zone="Mill")
    assert ([way["zone"] for way in seen["ways"]], seen["zone"]["capacity"]) == (["Zone 0"], 3)
    assert "Mill" in [way["zone"] for way in done(who, "observe_environment", zone="Zone 0")["ways"]]
    assert call(who, "zone_create", world="Harbour", name="Mill").code == "invalid_payload"
    assert call(who, "zone_create", world="Harbour", name="Lost", neighbours=["Atlantis"]).code == "zone_not_found"
    assert done(who, "zone_list", world="Harbour")["total"] == 3


def test_memories_are_stored_and_found(owner: Any, world: World) -> None:
    who = who_is(owner)
    first = done(who, "memory_store", agent="Agent 0", content="The tide took my boat.", tags=["sea"], valence=-0.5)
    again = done(who, "memory_store", agent="Agent 0", content="The tide took my boat.", tags=["sea"])
    assert first["id"] == again["id"]
    found = done(who, "memory_search", agent="Agent 0", text="boat", tags=["sea"], explain=True)["memories"]
    assert [m["content"] for m in found] == ["The tide took my boat."]
    assert found[0]["because"]
    assert call(who, "memory_store", agent="Agent 0", content="\0").code == "invalid_memory"
    blank = call(who, "memory_store", agent="Agent 0", content=" \n")
    assert (blank.code, blank.text) == (
        "invalid_memory", "content: 1 to 10,000 characters, and not only white space",
    )  # fmt: skip
    for wrong in ({"content": "x" * 10_001}, {"content": "x", "importance": 2}, {"content": "x", "tags": ["t"] * 51}):
        assert call(who, "memory_store", agent="Agent 0", **wrong).code == "invalid_arguments"
    assert call(who, "memory_search", agent="Agent 0", text="x", limit=0).code == "invalid_arguments"


def test_memories_of_others_take_a_grant_and_it_is_told(owner: Any, world: World, member: Any) -> None:
    World.objects.filter(pk=world.pk).update(access="open")
    agent, who = Agent.objects.get(name="Agent 0"), who_is(member)
    assert call(who, "memory_search", agent="Agent 0", text="tide").code == "access_denied"
    grants.grant(member, agent.pk, by="user:owner")
    assert call(who, "memory_search", agent="Agent 0", text="tide").done
    assert call(who, "memory_search", agent="Agent 1", text="tide").code == "access_denied"
    told = [e for e in thunderflow.read_stream("security", after=0) if e.topic == "system.memories_read"]
    assert [(e.payload["agent_id"], e.payload["why"], e.payload["door"]) for e in told] == [
        (str(agent.pk), "grant", "mcp")
    ]


def test_stories_are_those_that_were_told(owner: Any, world: World) -> None:
    who, agent = who_is(owner), Agent.objects.get(name="Agent 0")
    story = done(who, "narrative_generate", agent="Agent 0")
    assert story["text"]
    assert story["text"] in {log.narrative for log in agent.ticks.all()}
    assert call(who, "narrative_generate").code == "invalid_arguments"


def test_an_event_is_injected_and_noticed(owner: Any, world: World, commits: None) -> None:
    wake_domains()
    user = make_user("operator", operator=True)
    make_world("Island")
    who = who_is(user)
    told = done(who, "world_inject_event", zone="Zone 0", world="Island", event="storm", text="A storm came up.")
    assert told["seq"] > 0
    assert "A storm came up." in str(done(who, "observe_environment", zone="Zone 0", world="Island")["happenings"])


def test_a_message_is_answered(commits: None) -> None:
    wake_domains()
    who = who_is(make_user("operator", operator=True))
    make_world()
    found = done(who, "send_message", agent="Agent 0", text="Hello?", at_once=True)
    assert (found["read"], bool(found["answer"])) == (True, True)
    assert "Agent 0" in done(who, "narrative_generate", zone="Zone 0")["text"]
    more = done(who, "send_message", agent="Agent 0", text="Still there?", wait_s=0, conversation=found["conversation"])
    assert (more["read"], more["answer"], "paused" in more["note"]) == (False, None, True)


def test_a_step_is_waited_for(commits: None) -> None:
    wake_domains()
    who = who_is(make_user("operator", operator=True))
    world = make_world()
    told: list[float] = []
    worker = threading.Thread(target=_work, args=(world,))
    worker.start()
    found = calls.run(who, "world_step", {"world": "Harbour", "ticks": 2}, lambda n, total, words: told.append(n))
    worker.join()
    assert found.data is not None
    assert (found.data["tick"], found.data["arrived"]) == (2, True)
    assert told == sorted(told)
    assert done(who, "world_step", world="Harbour", wait_s=0)["arrived"] is False


def _work(world: Any) -> None:
    try:
        while World.objects.get(pk=world.pk).tick < 2:
            loop.run(seconds=0.2, world_id=world.pk)
    finally:
        connection.close()


def test_the_clock_is_steered(owner: Any, world: World) -> None:
    who = who_is(owner)
    assert done(who, "world_resume", world="Harbour")["status"] == "running"
    assert done(who, "world_pause", world=str(world.pk))["status"] == "paused"


# --- What is checked -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "arguments", "code"),
    [
        ("no_such_tool", {}, "unknown_tool"),
        ("\0", {}, "unknown_tool"),
        ("look_around", {}, "unknown_tool"),  # for agents only
        ("zone_list", {"colour": "red"}, "invalid_arguments"),
        ("zone_list", {"world": 7}, "invalid_arguments"),
        ("zone_list", {"world": "x" * 101}, "invalid_arguments"),
        ("zone_list", {"world": "a\0b"}, "invalid_arguments"),
        ("pac_get_agent", {"agent": "Agnet 0"}, "agent_not_found"),
        ("pac_get_agent", {"agent": str(uuid4())}, "agent_not_found"),
        ("agent_act", {"agent_id": str(uuid4()), "lease": str(uuid4()), "action": "rest"}, "agent_not_found"),
    ],
)
def test_what_does_not_fit_is_refused_and_audited(
    owner: Any, world: World, name: str, arguments: dict[str, Any], code: str
) -> None:
    found = calls.run(who_is(owner), name, arguments, lambda *_: None)
    assert (found.code, found.data) == (code, None)
    assert found.text
    assert audited()[-1] == (name.replace("\0", ""), code)


def test_a_name_in_two_worlds_is_ambiguous(owner: Any, world: World) -> None:
    make_world("Island", by=owner)
    assert call(who_is(owner), "pac_get_agent", agent="Agent 0").code == "ambiguous"
    assert done(who_is(owner), "pac_get_agent", agent="Agent 0", world="Island")["world"] == "Island"


def test_a_key_is_for_its_scopes(owner: Any, world: World) -> None:
    who = who_is(owner, scopes=frozenset({"tools:call", "agents:read"}))
    assert {t.name for t in calls.offered(who)} == {"pac_list_agents", "pac_get_agent", "narrative_generate"}
    refused = call(who, "world_pause", world="Harbour")
    assert (refused.code, "worlds:write" in refused.text) == ("insufficient_scope", True)
    assert done(who, "pac_get_agent", agent="Agent 0")["memories"] is None  # for that is another scope


def test_no_more_than_so_many_a_minute(owner: Any, world: World, settings: Any) -> None:
    settings.LIMITS = {"on": True, "default": 2, "heavy": 1}
    who = who_is(owner)
    assert [call(who, "world_list").code for _ in range(3)] == ["done", "done", "rate_limited"]
    assert call(who_is(make_user("other")), "world_list").done
    assert call(who, "world_step", world="Harbour", wait_s=0).done  # another class
    assert call(who, "world_step", world="Harbour", wait_s=0).code == "rate_limited"


def test_nothing_is_done_while_the_domain_is_not_active(owner: Any, world: World) -> None:
    from django.utils import timezone

    thunderblock.switch_off("thundermcp", reason="a rest", now=timezone.now())
    guards.forget()
    found = call(who_is(owner), "world_pause", world="Harbour")
    assert (found.code, "a rest" in found.text) == ("domain_inactive", True)


# --- The same call twice -------------------------------------------------------------------------------------


def keyed(who: Who, key: Any, name: str, /, **arguments: Any) -> Outcome:
    return calls.run(who, name, arguments, lambda done, total, message: None, key)


def test_a_call_that_is_sent_again_is_done_once(owner: Any, world: World) -> None:
    who = who_is(owner)
    first = keyed(who, "k1", "pac_create_agent", zone="Zone 0", name="Mara")
    with unchanged():
        again = keyed(who, "k1", "pac_create_agent", zone="Zone 0", name="Mara")
    assert (again.code, again.text, again.data) == (first.code, first.text, first.data)
    assert (first.repeated, again.repeated) == (False, True)
    assert audited()[-2:] == [("pac_create_agent", "done"), ("pac_create_agent", "repeated")]
    assert keyed(who, "k2", "pac_create_agent", zone="Zone 0", name="Mara").code == "invalid_payload", "it is there"


def test_a_key_is_for_one_call(owner: Any, world: World) -> None:
    who = who_is(owner)
    assert keyed(who, "k1", "pac_create_agent", zone="Zone 0", name="Mara").done
    with unchanged():
        assert keyed(who, "k1", "pac_create_agent", zone="Zone 0", name="Dora").code == "key_reused"
        assert keyed(who, "k1", "zone_create", world="Harbour", name="Mill").code == "key_reused"
        assert keyed(who_is(owner, agent_id=uuid4()), "k1", "pac_create_agent", zone="Zone 0", name="Mara").code == (
            "key_reused"
        ), "what speaks for one agent is not told what its owner did"
    other = make_user("other", operator=True)
    assert keyed(who_is(other), "k1", "pac_create_agent", zone="Zone 0", name="Dora").done, "each user's own"


@pytest.mark.parametrize("key", ["", "two words", "ü", "x" * 256, 7, ["k"]])
def test_keys_that_are_none(owner: Any, world: World, key: Any) -> None:
    with unchanged():
        refused = keyed(who_is(owner), key, "pac_create_agent", zone="Zone 0", name="Mara")
    assert (refused.code, "printable ASCII" in refused.text) == ("invalid_arguments", True)


def test_a_refusal_may_be_mended_under_the_same_key(owner: Any, world: World) -> None:
    who = who_is(owner)
    assert keyed(who, "k1", "pac_create_agent", zone="Zone 0", name="Agent 0").code == "invalid_payload"
    assert keyed(who, "k1", "pac_create_agent", zone="Zone 0", name="Mara").done


def test_looking_again_shows_what_is(owner: Any, world: World) -> None:
    who = who_is(owner)
    keyed(who, "k1", "pac_get_agent", agent="Agent 0")
    Agent.objects.filter(name="Agent 0").update(description="Changed.")
    found = keyed(who, "k1", "pac_get_agent", agent="Agent 0")
    assert found.data is not None and found.data["description"] == "Changed." and not found.repeated


@pytest.mark.parametrize(
    ("name", "arguments"),
    [("world_step", {"world": "Harbour", "ticks": 2, "wait_s": 0}),
     ("send_message", {"agent": "Agent 0", "text": "Hello?", "wait_s": 0}),
     ("world_inject_event", {"zone": "Zone 0", "event": "storm", "text": "A storm came up."})],
)  # fmt: skip
def test_what_waits_is_done_once_too(commits: None, name: str, arguments: dict[str, Any]) -> None:
    wake_domains()
    make_world()
    who = who_is(make_user("operator", operator=True))
    first = keyed(who, "k1", name, **arguments)
    before = _happened()
    again = keyed(who, "k1", name, **arguments)
    assert first.done and (again.data, again.repeated, _happened()) == (first.data, True, before)


def _happened() -> tuple[int, ...]:
    topics = [e.topic for e in thunderflow.read(after=0, limit=10_000)[0] if not e.topic.startswith("tools.")]
    return World.objects.get().target_tick, Message.objects.count(), len(topics)


def test_what_waits_and_was_refused_stays_refused_under_its_key(owner: Any, world: World) -> None:
    who = who_is(owner)
    first = keyed(who, "k1", "send_message", agent="Nobody", text="Hello?")
    again = keyed(who, "k1", "send_message", agent="Nobody", text="Hello?")
    assert first.code == again.code == "agent_not_found" and again.repeated


def test_what_broke_off_is_not_begun_again(owner: Any, world: World, sound: list[str]) -> None:
    tools.unregister("sound")
    begun: list[float] = []

    @tool(name="sound", description="Sound.", capability="zones:read", output=Sounding,
          for_people=Conduct("Sound", waits=True))  # fmt: skip
    def sound(depth: Depth, caller: Caller) -> Sounding:
        begun.append(depth.metres)
        caller.progress(0, None, "waiting")
        return Sounding(ground="mud")

    def gone(done: float, total: float | None, message: str) -> None:
        raise ToolError("cancelled", "nobody waits for this any more")

    who = who_is(owner)
    assert calls.run(who, "sound", {"metres": 3}, gone, "k1").code == "cancelled"
    again = keyed(who, "k1", "sound", metres=3)
    assert (again.code, begun) == ("outcome_unknown", [3.0]) and "look whether it was done" in again.text


# --- What operators say --------------------------------------------------------------------------------------


def test_a_tool_is_switched_off_for_everybody(owner: Any, world: World, operator: Any) -> None:
    switches.set_switch("world_pause", enabled=False, roles=[], by="user:operator")
    for user in (owner, operator):
        assert "world_pause" not in {t.name for t in calls.offered(who_is(user))}
        assert call(who_is(user), "world_pause", world="Harbour").code == "unknown_tool"
    (event,) = [e for e in thunderflow.read_stream("tools", after=0) if e.topic == "tools.setting_changed"]
    assert (event.actor, event.payload["enabled"]) == ("user:operator", False)


def test_a_tool_is_for_a_group(owner: Any, world: World, operator: Any) -> None:
    group = Group.objects.create(name="stewards")
    switches.set_switch("world_pause", enabled=True, roles=[group], by="user:operator")
    assert call(who_is(owner), "world_pause", world="Harbour").code == "unknown_tool"
    assert call(who_is(operator), "world_pause", world="Harbour").done
    owner.groups.add(group)
    assert call(who_is(owner), "world_pause", world="Harbour").done


def test_the_admin_switches(as_operator: Client) -> None:
    page = as_operator.get("/admin/mcp_server/toolsetting/")
    assert page.status_code == 200
    assert "zone_create" in page.content.decode()
    group = Group.objects.create(name="stewards")
    form = {"enabled": "", "roles": [group.pk]}
    assert as_operator.post("/admin/mcp_server/toolsetting/zone_create/change/", form).status_code == 302
    row = ToolSetting.objects.get(pk="zone_create")
    assert (row.enabled, list(row.roles.all())) == (False, [group])
    chosen = {"action": "switch_on", "_selected_action": ["zone_create", "world_list"]}
    assert as_operator.post("/admin/mcp_server/toolsetting/", chosen).status_code == 302
    assert ToolSetting.objects.get(pk="zone_create").enabled
    assert as_operator.get("/admin/mcp_server/toolsetting/add/").status_code == 403


# --- Tools of others -----------------------------------------------------------------------------------------


class Depth(Request):
    """How deep."""

    metres: float


class Sounding(Reply):
    """What the lead brought up."""

    ground: str


@pytest.fixture
def sound() -> Iterator[list[str]]:
    """A tool of somebody else's; the list says what it shall do."""
    wish: list[str] = []

    @tool(name="sound", description="Sound.", capability="zones:read", output=Sounding, for_people=Conduct("Sound"))
    def sound(depth: Depth, caller: Caller) -> Sounding:
        World.objects.update(description="touched")
        if wish == ["refuse"]:
            raise ToolError("too_deep", "less than twenty metres, please")
        if wish == ["break"]:
            raise RuntimeError("a secret of the server")
        return Sounding(ground="mud")

    yield wish
    tools.unregister("sound")


@pytest.mark.parametrize(("wish", "code"), [("", "done"), ("refuse", "too_deep"), ("break", "failed")])
def test_what_fails_is_taken_back_and_tells_no_secrets(
    owner: Any, world: World, sound: list[str], wish: str, code: str, caplog: pytest.LogCaptureFixture
) -> None:
    sound.append(wish)
    found = call(who_is(owner), "sound", metres=3)
    assert found.code == code
    assert "secret" not in found.text
    assert World.objects.get().description == ("touched" if code == "done" else "")
    assert audited()[-1] == ("sound", code)


def test_two_tools_of_a_name_are_refused(sound: list[str]) -> None:
    with pytest.raises(ValueError, match="registered already"):
        tool(name="sound", description="", capability="x", output=Sounding, for_people=Conduct("Sound"))(_other)


def _other(depth: Depth, caller: Caller) -> Sounding:
    raise NotImplementedError


# --- Who -----------------------------------------------------------------------------------------------------


def test_who_is_nobody(owner: Any) -> None:
    for credential in ("", "x", "a" * 10_000, "\0", "ü"):
        with pytest.raises(Refused):
            identify(credential, door="http")
    with pytest.raises(Refused, match="no account"):
        of_user("nobody", door="stdio")
