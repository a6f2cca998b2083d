import copy
import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.factories.states import zone_state
from zones import environment
from zones.environment import KINDS, REGENERATION, Climate, diffuse, probability, step
from zones.models import PROPERTIES, RESOURCES
from zones.state import ZoneState

TEN = {
    "glitch", "energy_surge", "memory_echo", "resource_bloom", "temporal_rift", "harmonic_resonance",
    "entropy_spike", "consciousness_leak", "data_storm", "quiet_zone",
}  # fmt: skip
SHARE = st.floats(0, 1).map(lambda value: round(value, 6))
THERMAL = st.floats(-1, 1).map(lambda value: round(value, 6))
STATES = st.builds(
    zone_state,
    seed=st.integers(0, 2**63 - 1),
    ordinal=st.integers(0, 1000),
    tick=st.integers(0, 2**40),
    environment_interval=st.integers(1, 1000),
    resources=st.fixed_dictionaries(dict.fromkeys(RESOURCES, st.floats(0, 100).map(lambda value: round(value, 4)))),
    regeneration=st.dictionaries(st.sampled_from(RESOURCES), st.floats(0, 200)),
    properties=st.fixed_dictionaries(
        {"temperature": st.floats(-50, 60), "humidity": SHARE, "light": SHARE, "noise": SHARE}
    ),
    entropy=SHARE,
    thermal=THERMAL,
)


# --- How likely ----------------------------------------------------------------------------------------------


@given(SHARE, THERMAL)
def test_the_probability_is_that_of_the_formula(entropy: float, thermal: float) -> None:
    assert probability(entropy, thermal) == min(0.9, 0.3 + 0.4 * entropy + 0.2 * abs(thermal))


@pytest.mark.parametrize(
    ("entropy", "thermal", "expected"), [(0, 0, 0.3), (1, 0, 0.7), (1, -1, 0.9), (1, 1, 0.9), (0, -0.5, 0.4)]
)
def test_the_probability_at_the_edges(entropy: float, thermal: float, expected: float) -> None:
    assert probability(entropy, thermal) == pytest.approx(expected)


def test_happenings_are_as_frequent_as_their_probability() -> None:
    """A calm zone whose entropy and warmth are zero when the draw is made."""
    n = 4000
    count = sum(step(zone_state(tick=tick, entropy=0.0)) is not None for tick in range(n))
    assert abs(count / n - 0.3) < 4 * (0.3 * 0.7 / n) ** 0.5


# --- What happens --------------------------------------------------------------------------------------------


def test_there_are_ten_happenings_and_each_of_them_happens_about_as_often() -> None:
    assert set(KINDS) == TEN
    seen = Counter(step(zone_state(tick=tick)) for tick in range(6000))
    del seen[None]
    assert set(seen) == TEN
    mean = seen.total() / 10
    assert all(abs(count - mean) < 5 * mean**0.5 for count in seen.values())


@given(STATES)
def test_the_same_zone_at_the_same_tick_always_goes_the_same_way(zone: ZoneState) -> None:
    other = copy.deepcopy(zone)
    assert step(zone) == step(other)
    assert zone == other


@given(STATES)
def test_a_step_leaves_every_figure_in_its_range(zone: ZoneState) -> None:
    for _ in range(4):
        step(zone)
        zone.tick += zone.environment_interval
        assert all(0 <= zone.resources[name] <= 100 for name in RESOURCES)
        assert all(0 <= zone.properties[name] <= 1 for name in PROPERTIES if name != "temperature")
        assert -50 <= zone.properties["temperature"] <= 60
        assert 0 <= zone.entropy <= 1
        assert -1 <= zone.thermal <= 1
        assert set(zone.resources) == set(RESOURCES)
        assert set(zone.properties) == set(PROPERTIES)


@given(STATES)
def test_a_step_tells_what_happened_and_when_the_next_is_due(zone: ZoneState) -> None:
    name = step(zone)
    assert [happening.kind for happening in zone.fresh] == ([name] if name else [])
    assert all(happening.tick == zone.tick and zone.name in happening.text for happening in zone.fresh)
    assert zone.environment_due == zone.tick + zone.environment_interval
    assert zone.diffusing == (zone.entropy > 0.5 or abs(zone.thermal) > 0.3)


def ticks_by_name() -> dict[str | None, int]:
    """A tick at which each of the happenings takes place in the usual zone, and one at which none does."""
    found: dict[str | None, int] = {}
    for tick in range(2000):
        found.setdefault(step(zone_state(tick=tick, entropy=0.5, thermal=0.1)), tick)
    return found


@pytest.mark.parametrize("name", sorted(TEN))
def test_a_happening_has_its_effect(name: str) -> None:
    ticks = ticks_by_name()
    calm = zone_state(tick=ticks[None], entropy=0.5, thermal=0.1)
    zone = zone_state(tick=ticks[name], entropy=0.5, thermal=0.1)
    assert step(calm) is None
    assert step(zone) == name
    kind = KINDS[name]
    assert zone.entropy - calm.entropy == pytest.approx(kind.entropy, abs=1e-5)
    assert zone.thermal - calm.thermal == pytest.approx(kind.thermal, abs=1e-5)
    for resource in RESOURCES:
        change = zone.resources[resource] - calm.resources[resource]
        assert change == pytest.approx(kind.resources.get(resource, 0), abs=1e-3)
    for each in PROPERTIES:
        low, high = environment._BOUNDS[each]
        expected = max(low, min(high, calm.properties[each] + kind.properties.get(each, 0)))
        assert zone.properties[each] == pytest.approx(expected, abs=1e-5)
    assert kind.entropy or kind.thermal or kind.resources or kind.properties, "each does something"


def test_a_calm_tick_brings_back_what_was_used_up() -> None:
    zone = zone_state(
        tick=ticks_by_name()[None],
        entropy=0.5,
        thermal=0.1,
        regeneration={"food": 1.5},
        properties={"temperature": 30.0, "humidity": 0.5, "light": 0.7, "noise": 0.0},
    )
    assert step(zone) is None
    expected = {**REGENERATION, "food": 1.5}
    assert zone.resources == {name: 50 + expected[name] for name in RESOURCES}
    assert zone.changes == expected
    assert zone.properties == {"temperature": 29.0, "humidity": 0.5, "light": 0.7, "noise": 0.02}
    assert (zone.entropy, zone.thermal) == (0.485, 0.09)


# --- Diffusion -----------------------------------------------------------------------------------------------


@st.composite
def climates(draw: st.DrawFn, most_ways: int = 10) -> dict[int, Climate]:
    """A net of zones; ways lie in both directions, each direction with a permeability of its own."""
    n = draw(st.integers(1, 9))
    pairs = [(a, b) for a in range(n) for b in range(a)]
    chosen = draw(st.lists(st.sampled_from(pairs), unique=True)) if pairs else []
    ways: dict[int, list[tuple[int, float]]] = {ordinal: [] for ordinal in range(n)}
    for a, b in chosen:
        if len(ways[a]) < most_ways and len(ways[b]) < most_ways:
            ways[a].append((b, draw(SHARE)))
            ways[b].append((a, draw(SHARE)))
    return {
        ordinal: Climate(ordinal, draw(SHARE), draw(THERMAL), draw(st.booleans()), tuple(ways[ordinal]))
        for ordinal in range(n)
    }


def after(zones: dict[int, Climate]) -> dict[int, tuple[float, float]]:
    return {ordinal: (zone.entropy, zone.thermal) for ordinal, zone in zones.items()} | diffuse(zones)


@given(climates())
def test_diffusion_loses_and_makes_nothing(zones: dict[int, Climate]) -> None:
    new = after(zones)
    slack = 1e-6 * len(zones)  # each zone is rounded
    assert sum(entropy for entropy, _ in new.values()) == pytest.approx(
        sum(zone.entropy for zone in zones.values()), abs=slack
    )
    assert sum(thermal for _, thermal in new.values()) == pytest.approx(
        sum(zone.thermal for zone in zones.values()), abs=slack
    )


@given(climates())
def test_diffusion_makes_no_zone_more_extreme_than_the_most_extreme(zones: dict[int, Climate]) -> None:
    for entropy, thermal in after(zones).values():
        assert 0 <= entropy <= max(zone.entropy for zone in zones.values()) + 1e-6
        assert abs(thermal) <= max(abs(zone.thermal) for zone in zones.values()) + 1e-6


def test_diffusion_keeps_its_limits_however_many_neighbours_there_are() -> None:
    crowd = range(1, 41)
    giver = {0: Climate(0, 1.0, 1.0, True, tuple((n, 1.0) for n in crowd))}
    around = {n: Climate(n, 0.0, -0.9, False, ((0, 1.0),)) for n in crowd}
    assert diffuse(giver | around)[0] == (0.0, -1.0)
    givers = {n: Climate(n, 1.0, -1.0, True, ((0, 1.0),)) for n in crowd}
    assert diffuse({0: Climate(0, 0.5, 0.9, False, ())} | givers)[0] == (1.0, -1.0)


@given(climates(), st.randoms(use_true_random=False))
def test_diffusion_reads_the_values_of_the_tick_whatever_the_order(
    zones: dict[int, Climate], chance: random.Random
) -> None:
    order = list(zones)
    chance.shuffle(order)
    shuffled = {}
    for ordinal in order:
        ways = list(zones[ordinal].ways)
        chance.shuffle(ways)
        zone = zones[ordinal]
        shuffled[ordinal] = Climate(ordinal, zone.entropy, zone.thermal, zone.diffusing, tuple(ways))
    assert diffuse(shuffled) == diffuse(zones)


@given(climates())
def test_diffusion_is_the_sum_over_the_ways_of_the_old_values(zones: dict[int, Climate]) -> None:
    """The rule anew, way by way: a tenth of the difference, times the permeability, flows downhill."""
    for ordinal, (entropy, thermal) in diffuse(zones).items():
        expected_entropy, expected_thermal = zones[ordinal].entropy, zones[ordinal].thermal
        for source in zones.values():
            for other, permeability in source.ways:
                if not source.diffusing or ordinal not in (source.ordinal, other):
                    continue
                sign = -1 if ordinal == source.ordinal else 1
                target = zones[other]
                if source.entropy > target.entropy:
                    expected_entropy += sign * 0.1 * permeability * (source.entropy - target.entropy)
                if abs(source.thermal) > abs(target.thermal):
                    expected_thermal += sign * 0.1 * permeability * (source.thermal - target.thermal)
        assert entropy == pytest.approx(expected_entropy, abs=1e-6)
        assert thermal == pytest.approx(expected_thermal, abs=1e-6)


@given(climates())
def test_nothing_changes_but_diffusing_zones_and_their_neighbours(zones: dict[int, Climate]) -> None:
    diffusing = {ordinal for ordinal, zone in zones.items() if zone.diffusing and zone.ways}
    touched = diffusing | {other for ordinal in diffusing for other, _ in zones[ordinal].ways}
    assert set(diffuse(zones)) == touched


def test_a_shut_way_lets_nothing_through() -> None:
    zones = {0: Climate(0, 0.9, 0.9, True, ((1, 0.0),)), 1: Climate(1, 0.1, 0.0, False, ((0, 0.0),))}
    assert diffuse(zones) == {0: (0.9, 0.9), 1: (0.1, 0.0)}
