"""World files without a database: reading, refusing, writing."""

from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.models import STATS, TRAITS
from agents.specs import AgentSpec
from agents.world_files import columns, rows
from agents.world_files.exporting import to_yaml
from agents.world_files.mistakes import BadFile, meant, written
from agents.world_files.planning import plan
from agents.world_files.reading import from_source, read
from agents.world_files.schema import WorldFile, json_schema
from agents.world_files.telling import as_data, in_words

SMALL = """\
name: Small
seed: 3
zones:
  - name: Hill
    neighbours:
      - {zone: Valley, permeability: 0.5}
  - name: Valley
agents:
  - name: Ada
    zone: Hill
    traits: {openness: 0.9}
    goals:
      - name: see the sea
"""


def mistakes(text: str | bytes) -> list[tuple[int, int, str, str]]:
    with pytest.raises(BadFile) as refused:
        read(text, file="w.yaml")
    return [(m.line, m.column, m.path, m.message) for m in refused.value.mistakes]


def test_a_file_is_read_with_its_defaults() -> None:
    world = read(SMALL).world
    assert (world.name, world.seed, world.access) == ("Small", 3, "private")
    assert world.agents[0].traits.openness == 0.9
    assert world.agents[0].traits.neuroticism == 0.5
    assert world.zones[1].capacity == 100


def test_every_mistake_is_told_with_its_place() -> None:
    text = """\
name: Bad
sed: 3
zones:
  - name: Hill
    capacity: 1
    neighbours:
      - {zone: Vally}
      - {zone: Hill}
  - name: Valley
    entropy: 2
  - name: Valley
agents:
  - {name: Ada, zone: Hill, reasoner: ruls}
  - {name: Ada, zone: Hill}
  - {name: Bo, zone: Moon, stats: {energy: lots}}
  - name: Cy
    zone: Hill
    mods:
      - {name: m, kind: skill, effects: {action_weights: {creatte: 1}}}
"""
    assert mistakes(text) == [
        (2, 1, "sed", "there is no such field; did you mean seed?"),
        (5, 15, "zones[0].capacity", "there is place for 1, and 3 agents of this file live here"),
        (7, 16, "zones[0].neighbours[0].zone", "there is no zone 'Vally' in this file; did you mean Valley?"),
        (8, 16, "zones[0].neighbours[1].zone", "a zone is no neighbour of itself"),
        (10, 14, "zones[1].entropy", "must be less than or equal to 1 (it is 2)"),
        (11, 11, "zones[2].name", "'Valley' is the name of zones[1] already"),
        (13, 39, "agents[0].reasoner", "there is no reasoner of kind 'ruls'; did you mean rules?"),
        (14, 12, "agents[1].name", "'Ada' is the name of agents[0] already"),
        (15, 22, "agents[2].zone", "there is no zone 'Moon' in this file; there is Hill, Valley"),
        (15, 44, "agents[2].stats.energy", "must be a number (it is 'lots')"),
        (
            19,
            59,
            "agents[3].mods[0].effects.action_weights.creatte",
            "there is no action 'creatte'; did you mean create?",
        ),
    ]


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("", 1, "the file is empty; a world needs a name"),
        ("- 1", 1, "must be fields with values"),
        ("zones: []", 1, "is missing"),
        ("name: 5", 1, "must be text; put it in quotes (it is 5)"),
        ("name: A\nname: B", 2, "is said twice"),
        ("name: A\n---\nname: B", 2, "one world a file"),
        ("name: *nobody", 1, "found undefined alias"),
        ("name: &a [*a]", 1, "contains itself"),
        ("name: !!python/name:os.system x", 1, "the tag tag:yaml.org,2002:python/name:os.system is not allowed here"),
        ('name: "a\\0b"', 1, "has a NUL character in it"),
        ("name: A\nrate: .inf", 2, "must be a number that is not infinite (it is inf)"),
        ("name: A\nrate: !!int x", 2, "'x' cannot be read as int"),
        ("name: A\nzones:\n  - {name: Z, neighbours: [{}]}", 3, "is missing"),
        ("name: A\nzones:\n - name: [Z", 4, "did not find expected ',' or ']'"),
        ("[" * 100_000, 1, "nested too deeply"),
    ],
)
def test_what_is_no_world_is_refused(text: str, line: int, message: str) -> None:
    assert (line, message) in [(found[0], found[3]) for found in mistakes(text)]


@pytest.mark.parametrize("raw", [b"name: \xe9", b"\xff\xfe\x00", b"name: a\x00b"])
def test_bytes_that_are_no_text_are_refused(raw: bytes) -> None:
    assert mistakes(raw)[0][3].startswith("not YAML")


def test_aliases_share_but_cannot_explode() -> None:
    shared = "name: A\nzones:\n  - name: Z\nagents:\n  - {name: a, zone: Z, traits: &t {openness: 0.1}}\n"
    assert read(shared + "  - {name: b, zone: Z, traits: *t}\n").world.agents[1].traits.openness == 0.1
    bomb = "name: A\nzones:\n  - &z0 [x, x, x, x, x, x, x, x, x, x]\n"
    bomb += "".join(f"  - &z{i} [{', '.join([f'*z{i - 1}'] * 10)}]\n" for i in range(1, 9))
    assert any("unfold into too much" in found[3] for found in mistakes(bomb))


def test_words_mean_what_yaml_1_2_says() -> None:
    text = "name: no\ndescription: 2026-01-01\nzones: [{name: 12:30}, {name: on, spawning: 1}]"
    assert [found[2] for found in mistakes(text)] == ["zones[1].spawning"]
    assert read("name: no\ndescription: 2026-01-01").world.description == "2026-01-01"


def test_a_way_leads_back_unless_the_other_zone_says_otherwise() -> None:
    world = read(SMALL).world
    assert columns.ways(world.zones) == {("Hill", "Valley"): 0.5, ("Valley", "Hill"): 0.5}
    own = SMALL.replace("- name: Valley", "- {name: Valley, neighbours: [{zone: Hill, permeability: 0.1}]}")
    assert columns.ways(read(own).world.zones)["Valley", "Hill"] == 0.1


def test_what_is_stated_and_what_is_left_out() -> None:
    world = read(SMALL).world
    assert columns.stated_in_agent(world.agents[0]) == {"openness"}
    assert columns.stated_in_zone(world.zones[0]) == set()
    assert columns.stated_in_world(world) == {"seed"}
    assert columns.stated_in_agent(None) == columns.stated_in_zone(None) == columns.stated_in_world(None) == set()


def test_every_column_that_loading_changes_has_its_type() -> None:
    assert set(rows.TYPES) == {*AgentSpec.EDITABLE, "goals"}


def test_a_stored_source_is_checked_like_a_file() -> None:
    source = read(SMALL).world.model_dump(mode="json", exclude_unset=True)
    assert from_source(source, name="Small").world == read(SMALL).world
    with pytest.raises(BadFile, match="the stored source of Small: agents: must be a list"):
        from_source({"name": "Small", "agents": {}}, name="Small")


def test_a_new_world_is_planned_without_a_database() -> None:
    made = plan(read(SMALL).world, world=None)
    assert list(in_words(made, dry_run=True)) == [
        "Small would be made: 2 zones, 1 agent.",
        "Nothing was changed: this was a dry run.",
    ]
    assert as_data(made, dry_run=True)["counts"]["ways_changed"] == 2


def test_the_schema_refuses_unknown_fields_and_names_all_parts() -> None:
    schema = json_schema()
    assert schema["additionalProperties"] is False
    assert schema["required"] == ["name"]
    assert {"ZoneEntry", "AgentEntry", "ModSpec", "Way"} <= schema["$defs"].keys()
    assert schema["properties"]["rate"]["description"] == "World ticks a heartbeat."


def test_the_demo_world_is_a_good_one() -> None:
    world = read((files("agents") / "worlds" / "demo.yaml").read_bytes(), file="demo.yaml").world
    assert (len(world.zones), len(world.agents)) == (5, 30)
    assert all(agent.description and agent.goals for agent in world.agents)
    assert len({tuple(agent.traits.model_dump().values()) for agent in world.agents}) == 30


def test_paths_and_hints_read_well() -> None:
    assert written(("zones", 2, "neighbours", 0, "zone")) == "zones[2].neighbours[0].zone"
    assert meant("x", []) == "there is none yet"
    assert meant("wrld", ["world", "zone"]) == "did you mean world?"


# --- Whatever a world says, its file says it too -------------------------------------------------------------

names = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Zs", "Zl", "Zp")), min_size=1, max_size=20
)
shares = st.floats(0, 1, allow_subnormal=False)


@st.composite
def worlds(draw: st.DrawFn) -> dict[str, Any]:
    zones = draw(st.lists(names, unique=True, min_size=1, max_size=4))
    people = draw(st.lists(names, unique=True, max_size=5))
    return {
        "name": draw(names),
        "description": draw(st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=30)).strip(),
        "seed": draw(st.integers(0, (1 << 63) - 1)),
        "zones": [
            {
                "name": zone,
                "entropy": draw(shares),
                "rules": {"regeneration": {"food": draw(st.floats(-100, 100, allow_subnormal=False))}},
                "neighbours": [{"zone": other, "permeability": draw(shares)} for other in zones if other != zone],
            }
            for zone in zones
        ],
        "agents": [
            {
                "name": name,
                "zone": draw(st.sampled_from(zones)),
                "traits": {trait: draw(shares) for trait in TRAITS},
                "stats": {stat: draw(st.floats(0, 100, allow_subnormal=False)) for stat in STATS},
                "goals": [{"name": goal} for goal in draw(st.lists(names, unique=True, max_size=2))],
            }
            for name in people
        ],
    }


@given(worlds())
@settings(max_examples=60, deadline=None)
def test_what_is_written_reads_back_the_same(data: dict[str, Any]) -> None:
    world = WorldFile.model_validate(data)
    assert read(to_yaml(world)).world == world
    assert read(to_yaml(world).encode()).world == world


def test_the_file_in_the_guide_is_a_good_one() -> None:
    guide = (Path(__file__).parents[3] / "docs" / "how-to" / "world-files.md").read_text()
    example = guide.split("```yaml\n")[1].split("```")[0]
    assert read(example).world.agents[0].mods[0].duration == 900
