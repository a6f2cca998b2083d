"""`manage.py world` from outside: what is loaded, changed, refused, reset, exported and told."""

import json
from io import BytesIO, StringIO, TextIOWrapper
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from agents import actions
from agents.engine import loop
from agents.models import Agent, Mod, TickLog
from agents.specs import AgentSpec, ModSpec
from domains.thunderblock import actions as thunderblock
from domains.thunderflow import queries as thunderflow
from memory.models import MemoryNode
from tests.factories import beat, make_user
from zones import queries as zones
from zones.actions import places, worlds
from zones.models import Zone

FILE = """\
name: Harbour
seed: 11
status: paused
zones:
  - name: Quay
    capacity: 5
    description: Wet.
    rules: {movement_cost: 2, regeneration: {food: 4}}
    neighbours: [{zone: Inn, permeability: 0.5}]
  - name: Inn
    resources: {food: 90}
agents:
  - name: Ada
    zone: Quay
    traits: {openness: 0.9}
    goals: [{name: see the sea}]
    mods: [{name: pen, kind: tool, effects: {tool_access: [write_notices]}, duration: 50}]
    tick_interval: 3
  - {name: Bo, zone: Inn, tick_interval: 2}
  - {name: Cy, zone: Quay, stats: {energy: 40}, position: {x: 1, y: 2}}
"""

pytestmark = pytest.mark.django_db


@pytest.fixture
def load(tmp_path: Path) -> Any:
    """Load a text as a world file. Returns what `--json` says."""

    def call(text: str = FILE, *options: str) -> dict[str, Any]:
        path = tmp_path / "world.yaml"
        path.write_text(text)
        return json.loads(world("load", str(path), "--json", *options))

    return call


def world(*arguments: str) -> str:
    out = StringIO()
    call_command("world", *arguments, stdout=out)
    return out.getvalue()


def lived(ticks: int = 6) -> None:
    """Let the harbour live for some ticks."""
    there = zones.world("Harbour")
    worlds.step(there.pk, ticks=ticks)
    loop.run(seconds=20, world_id=there.pk)
    assert zones.world("Harbour").tick == there.tick + ticks


def everything() -> list[Any]:
    """All of the harbour that a load could change, without instants."""
    there = zones.world("Harbour")
    agents = Agent.objects.filter(world=there).order_by("ordinal").values()
    rows = [*zones.zones(there.pk).values(), *agents, *Mod.objects.order_by("name").values()]
    return [{k: v for k, v in row.items() if k != "updated_at"} for row in rows] + zones.ways(there.pk)


def test_a_world_is_made_in_the_order_of_its_file(load: Any) -> None:
    assert load()["counts"]["agents_created"] == 3
    there = zones.world("Harbour")
    assert (there.seed, there.status, there.owner_id, there.tick) == (11, "paused", None, 0)
    assert [(zone.name, zone.ordinal, zone.agent_count) for zone in zones.zones(there.pk)] == [
        ("Quay", 0, 2),
        ("Inn", 1, 1),
    ]
    agents = list(Agent.objects.order_by("ordinal"))
    assert [(a.name, a.ordinal, a.due_tick, a.lifecycle) for a in agents] == [
        ("Ada", 0, 1, "active"), ("Bo", 1, 2, "active"), ("Cy", 2, 3, "active"),
    ]  # fmt: skip
    assert (agents[2].x, agents[2].y, agents[2].energy) == (1, 2, 40)
    assert (agents[0].x, agents[0].y) == actions.birthplace(11, 0)
    assert {p for *_, p in zones.ways(there.pk)} == {0.5}


def test_the_same_file_a_second_time_changes_nothing(load: Any) -> None:
    load()
    lived()
    before = everything()
    position = thunderflow.settled()
    assert load()["action"] == "nothing"
    assert everything() == before
    assert thunderflow.settled() == position


def test_an_edited_file_changes_what_it_says_and_leaves_what_lived(load: Any) -> None:
    load()
    lived()
    before = {row["name"]: row for row in Agent.objects.values()}
    edited = (
        FILE.replace("openness: 0.9", "openness: 0.2, extraversion: 0.8")
        .replace("Wet.", "Wet and loud.")
        .replace("movement_cost: 2", "movement_cost: 4")
        .replace("energy: 40", "energy: 90")
        .replace("permeability: 0.5", "permeability: 0.25")
        .replace("capacity: 5", "capacity: 7")
    )
    preview = load(edited, "--dry-run")
    assert everything()[0]["description"] == "Wet."
    assert {(c["name"], c["field"], c["old"], c["new"]) for c in preview["changes"]} == {
        ("Ada", "traits.openness", 0.9, 0.2),
        ("Ada", "traits.extraversion", 0.5, 0.8),
        ("Quay", "description", "Wet.", "Wet and loud."),
        ("Quay", "rules.movement_cost", 2.0, 4.0),
        ("Quay", "capacity", 5, 7),
        ("Quay → Inn", "permeability", 0.5, 0.25),
        ("Inn → Quay", "permeability", 0.5, 0.25),
    }
    assert preview["from_a_reset_on"] == ["Cy"]
    assert load(edited)["changes"] == preview["changes"]
    ada = Agent.objects.get(name="Ada")
    assert (ada.openness, ada.extraversion) == (0.2, 0.8)
    for name, row in before.items():
        changed = {k for k, v in Agent.objects.values().get(name=name).items() if v != row[k]}
        assert changed <= {"openness", "extraversion", "updated_at"}
    assert load(edited)["action"] == "nothing"


def test_goals_and_mods_follow_the_file_by_name(load: Any) -> None:
    load()
    Agent.objects.filter(name="Ada").update(goals=[{"name": "see the sea", "progress": 0.6}])
    edited = FILE.replace("goals: [{name: see the sea}]", "goals: [{name: see the sea}, {name: sing}]")
    edited = edited.replace("name: pen, kind: tool", "name: quill, kind: tool")
    load(edited)
    ada = Agent.objects.get(name="Ada")
    assert ada.goals == [{"name": "see the sea", "progress": 0.6}, {"name": "sing", "progress": 0.0}]
    assert ada.mod_count == 1
    assert Mod.objects.get(active=True).name == "quill"
    load(edited.replace("{name: see the sea}, ", ""))
    ada.refresh_from_db()
    assert [goal["name"] for goal in ada.goals] == ["sing"]


def test_a_mod_that_has_run_out_is_not_put_on_again(load: Any) -> None:
    load()
    Mod.objects.update(active=False)
    assert load()["action"] == "nothing"
    assert not Mod.objects.filter(active=True).exists()


def test_what_the_file_leaves_out_stays_as_a_person_set_it(load: Any) -> None:
    load()
    ada = Agent.objects.get(name="Ada")
    actions.edit(ada.pk, {"description": "By hand.", "openness": 0.1}, by="ada")
    changes = load()["changes"]
    assert [(c["field"], c["old"], c["new"]) for c in changes] == [("traits.openness", 0.1, 0.9)]
    ada.refresh_from_db()
    assert ada.description == "By hand."
    load(FILE.replace("    traits: {openness: 0.9}\n", ""))
    ada.refresh_from_db()
    assert ada.openness == 0.5


def test_who_is_new_is_born_and_who_is_missing_is_left_alone(load: Any) -> None:
    load()
    said = load(FILE.replace("{name: Bo, zone: Inn, tick_interval: 2}", "{name: Dee, zone: Inn}"))
    assert said["created"]["agents"] == [{"name": "Dee", "zone": "Inn"}]
    assert said["left_alone"] == {"zones": [], "agents": ["Bo"]}
    assert Agent.objects.get(name="Dee").ordinal == 3


def test_a_shorter_interval_counts_at_once(load: Any) -> None:
    load(FILE.replace("tick_interval: 3", "tick_interval: 500"))
    lived(4)
    assert Agent.objects.get(name="Ada").due_tick > 400
    load()
    assert Agent.objects.get(name="Ada").due_tick == 5
    lived(2)
    assert Agent.objects.get(name="Ada").tick_number == 2


@pytest.mark.parametrize(
    ("old", "new", "where"),
    [
        ("seed: 11", "seed: 12", "world.yaml:2:7: seed: the world has lived 6 ticks by the seed 11"),
        ("capacity: 5", "capacity: 2\n    closed: false", "zones[0].capacity: there is place for"),
        ("zone: Inn, t", "zone: In, t", "world.yaml:19:22: agents[1].zone: there is no zone 'In' in this file"),
        ("name: Bo", "name: Ada", "agents[1].name: 'Ada' is the name of agents[0] already"),
    ],
)
def test_a_bad_file_is_refused_whole(load: Any, old: str, new: str, where: str) -> None:
    load()
    lived()
    Agent.objects.exclude(name="Bo").update(zone=zones.zone(zones.world("Harbour").pk, "Quay"))
    Zone.objects.filter(name="Quay").update(agent_count=3)
    before = everything()
    with pytest.raises(CommandError) as refused:
        load(FILE.replace(old, new).replace("Wet.", "Dry."))
    assert where in str(refused.value)
    assert everything() == before


def test_mistakes_are_told_as_json_too(tmp_path: Path) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text("name: X\nsed: 1\n")
    out = StringIO()
    with pytest.raises(CommandError):
        call_command("world", "load", str(path), "--json", stdout=out)
    [mistake] = json.loads(out.getvalue())["mistakes"]
    assert (mistake["line"], mistake["column"], mistake["path"]) == (2, 1, "sed")


def test_a_seed_may_change_before_the_first_tick(load: Any) -> None:
    load()
    load(FILE.replace("seed: 11", "seed: 12"))
    again = Agent.objects.get(name="Bo")
    assert (again.x, again.y) == actions.birthplace(12, 1)
    assert Agent.objects.get(name="Cy").x == 1


def test_reset_makes_the_world_as_it_was_loaded(load: Any) -> None:
    load()
    first = [(a.name, a.ordinal, a.x, a.y, a.due_tick, a.energy) for a in Agent.objects.order_by("ordinal")]
    ids = {zone.name: zone.pk for zone in zones.zones(zones.world("Harbour").pk)}
    lived(20)
    hashes = list(TickLog.objects.order_by("world_tick", "agent__ordinal").values_list("state_hash", flat=True))
    there = zones.world("Harbour")
    places.create_many(there, [{"name": "Cellar"}])
    with pytest.raises(CommandError, match="--yes"):
        world("reset", "Harbour")
    assert json.loads(world("reset", "Harbour", "--yes", "--json"))["agents"] == 3
    assert [(a.name, a.ordinal, a.x, a.y, a.due_tick, a.energy) for a in Agent.objects.order_by("ordinal")] == first
    assert not MemoryNode.objects.exists()
    assert not TickLog.objects.filter(agent__world=there).exists()
    there = zones.world("Harbour")
    assert (there.tick, there.target_tick, there.next_ordinal, there.status) == (0, 0, 3, "paused")
    assert {zone.name: zone.pk for zone in zones.zones(there.pk)} == ids
    lived(20)
    again = TickLog.objects.order_by("world_tick", "agent__ordinal").values_list("state_hash", flat=True)
    assert [bytes(h) for h in again] == [bytes(h) for h in hashes]


def test_a_world_made_by_hand_has_nothing_to_return_to() -> None:
    worlds.create(name="Handmade")
    with pytest.raises(CommandError, match="made by hand"):
        world("reset", "Handmade", "--yes")


def test_a_load_with_reset_begins_anew(load: Any) -> None:
    load()
    lived()
    said = load(FILE.replace("seed: 11", "seed: 12"), "--reset", "--yes")
    assert said["action"] == "reset"
    there = zones.world("Harbour")
    assert (there.tick, there.seed, Agent.objects.count()) == (0, 12, 3)


def test_what_is_exported_loads_back_to_no_change(load: Any) -> None:
    load()
    there = zones.world("Harbour")
    inn = zones.zone(there.pk, "Inn")
    made = actions.create(AgentSpec(name="Zoë “Z” O'Hara: no", mood=0.25), world_id=there.pk, zone_id=inn.pk, by="ada")
    actions.apply_mod(
        made.pk, ModSpec(name="hat", kind="personality", effects={"trait_modifiers": {"openness": 0.1}}), by="ada"
    )
    places.create_many(there, [{"name": "Cellar", "permissions": 0, "regeneration": {"food": 1}}])
    lived(10)
    text = world("export", "Harbour")
    said = load(text, "--dry-run")
    assert (said["action"], said["changes"], said["left_alone"]) == ("nothing", [], {"zones": [], "agents": []})
    loaded = load(text.replace("name: Harbour", "name: Twin"))
    assert loaded["counts"]["agents_created"] == 4
    assert world("export", "Twin").replace("Twin", "Harbour") == text


def test_the_source_can_be_exported_too(load: Any, tmp_path: Path) -> None:
    load()
    lived()
    world("export", "Harbour", "--source", "--output", str(tmp_path / "source.yaml"))
    assert load((tmp_path / "source.yaml").read_text())["from_a_reset_on"] == []
    worlds.create(name="Handmade")
    with pytest.raises(CommandError, match="has no file"):
        world("export", "Handmade", "--source")


def test_delete_takes_everything(load: Any) -> None:
    load()
    lived()
    with pytest.raises(CommandError, match="--yes"):
        world("delete", "Harbour")
    assert json.loads(world("delete", "Harbour", "--yes", "--json"))["agents"] == 3
    assert not Agent.objects.exists()
    assert not MemoryNode.objects.exists()
    with pytest.raises(CommandError, match="there is no world called 'Harbour'"):
        world("delete", "Harbour", "--yes")


def test_the_owner_is_named_on_the_command_line(load: Any) -> None:
    ada = make_user("ada")
    load(FILE, "--owner", "ada")
    assert zones.world("Harbour").owner_id == ada.pk
    bea = make_user("bea")
    assert [c["field"] for c in load(FILE, "--owner", "bea")["changes"]] == ["owner"]
    assert zones.world("Harbour").owner_id == bea.pk
    assert load()["action"] == "nothing"
    with pytest.raises(CommandError, match=r"there is no user called 'bee'; did you mean bea\?"):
        load(FILE, "--owner", "bee")


def test_pause_resume_and_status(load: Any) -> None:
    load()
    assert json.loads(world("resume", "Harbour", "--json"))["status"] == "running"
    assert "paused at tick 0" in world("pause", "Harbour")
    lived()
    state = json.loads(world("status", "Harbour", "--json"))
    assert (state["tick"], state["agents"]["active"], [zone["name"] for zone in state["zones"]]) == (
        6,
        3,
        ["Quay", "Inn"],
    )
    assert state["ticks_last_minute"] == TickLog.objects.count() > 0
    text = world("status")
    assert "Harbour" in text
    assert "3 active" in text
    with pytest.raises(CommandError, match=r"did you mean Harbour\?"):
        world("status", "Habour")


def test_status_of_nothing() -> None:
    assert "There is no world yet" in world("status")
    assert world("status", "--json") == "[]\n"


def test_a_switched_off_domain_stops_a_step(load: Any) -> None:
    load()
    thunderblock.sync(now=timezone.now())
    thunderblock.switch_off("thunderpac", reason="test", now=timezone.now())
    with pytest.raises(CommandError, match="thunderpac is switched off"):
        world("step", "Harbour", "--wait")


@pytest.mark.django_db(transaction=True)
def test_a_step_ticks_here_and_tells_what_happened(load: Any) -> None:
    load()
    told = json.loads(world("step", "Harbour", "--ticks", "6", "--wait", "--json"))
    assert (told["tick"], told["target_tick"]) == (6, 6)
    assert told["count"] == len(told["told"]) == TickLog.objects.filter(agent__world__name="Harbour").count()
    assert all(1 <= one["tick"] <= 6 and one["agent"] in one["text"] for one in told["told"])
    text = world("step", "Harbour", "--wait", "--ticks", "4")
    assert "Harbour went from tick 6 to 10" in text
    assert "tick 10" in text
    world("delete", "Harbour", "--yes")


def test_the_number_of_queries_does_not_grow_with_the_agents(load: Any) -> None:
    def text(count: int) -> str:
        people = "".join(f"  - {{name: A{i}, zone: Inn, traits: {{openness: 0.{i}}}}}\n" for i in range(1, count))
        return FILE + people

    counts = []
    for count in (5, 9):
        load(text(count))
        with CaptureQueriesContext(connection) as captured:
            load(text(count).replace("openness: 0.", "openness: 0.0"))
        counts.append(len(captured))
        world("delete", "Harbour", "--yes")
    assert counts[0] == counts[1]


def test_the_schema_is_json() -> None:
    assert json.loads(world("schema"))["title"] == "WorldFile"


@pytest.mark.parametrize("arguments", [("load", "/nowhere.yaml"), ("load", "/"), ("load", "x", "--owner"), ("steal",)])
def test_what_cannot_be_done_is_said_in_a_line(arguments: tuple[str, ...]) -> None:
    with pytest.raises(CommandError):
        world(*arguments)


def test_while_workers_run_a_step_is_theirs(load: Any) -> None:
    load()
    beat()
    assert "the workers see to it" in world("step", "Harbour", "--ticks", "5")
    assert json.loads(world("step", "Harbour", "--ticks", "9", "--json"))["target_tick"] == 14
    assert zones.world("Harbour").tick == 0
    with pytest.raises(CommandError, match="from 1 to"):
        world("step", "Harbour", "--ticks", "0")


def test_ctrl_c_leaves_a_paused_world_where_it_is(load: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    load()

    def interrupted(**_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(loop, "run", interrupted)
    assert "from tick 0 to 0" in world("step", "Harbour", "--ticks", "5")
    assert zones.world("Harbour").target_tick == 0


def test_a_pause_ends_a_step(load: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    load()
    monkeypatch.setattr(loop, "run", lambda **_: worlds.pause(zones.world("Harbour").pk) and loop.Stint())
    assert json.loads(world("step", "Harbour", "--ticks", "5", "--json"))["target_tick"] == 0


def test_a_file_can_come_from_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", TextIOWrapper(BytesIO(FILE.encode())))
    assert "Harbour was made: 2 zones, 3 agents." in world("load", "-")
    assert "Not in the file" not in world("export", "Harbour")


def test_what_would_change_reads_well(load: Any, tmp_path: Path) -> None:
    load()
    edited = FILE.replace("Wet.", "Dry.").replace("food: 4", "food: 5").replace("name: Bo", "name: Dee")
    path = tmp_path / "edited.yaml"
    path.write_text(edited)
    assert world("load", str(path), "--dry-run").splitlines() == [
        "Harbour would be changed: 1 new agent, 2 changes in 1 of what is there.",
        "  + agent Dee in Inn",
        "  ~ zone Quay",
        "      description: “Wet.” → “Dry.”",
        "      rules.regeneration.food: 4.0 → 5.0",
        "Not in the file, left alone: 1 agent (Bo).",
        "Nothing was changed: this was a dry run.",
    ]
    assert "would be begun anew at tick 0: 2 zones, 3 agents" in world("load", str(path), "--dry-run", "--reset")


def test_zones_and_ways_come_and_ways_go(load: Any) -> None:
    load()
    edited = FILE.replace("neighbours: [{zone: Inn, permeability: 0.5}]", "neighbours: [{zone: Isle}]")
    said = load(edited.replace("  - name: Inn\n", "  - name: Isle\n  - name: Inn\n"))
    assert said["created"]["zones"] == ["Isle"]
    names = {zone.pk: (zone.name, zone.ordinal) for zone in zones.zones(zones.world("Harbour").pk)}
    ways = {(names[a], names[b], p) for a, b, p in zones.ways(zones.world("Harbour").pk)}
    assert ways == {(("Quay", 0), ("Isle", 2), 1.0), (("Isle", 2), ("Quay", 0), 1.0)}
    assert load(edited.replace("  - name: Inn\n", "  - name: Isle\n  - name: Inn\n"))["action"] == "nothing"
