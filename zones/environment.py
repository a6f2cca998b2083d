"""The environment tick ("tock") of a zone: what grows back, and what the place does of its own accord. Pure.

With probability P = min(0.9, 0.3 + 0.4·entropy + 0.2·|thermal|) one of ten happenings takes place. Two draws
at most, from (world seed, zone ordinal, world tick, "environment"): whether, and which.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from domains.chance import Chance
from zones.state import Happening, ZoneState

REGENERATION = MappingProxyType({"food": 6.0, "materials": 3.0, "energy": 5.0, "knowledge": 2.0})
DIFFUSE_ENTROPY = 0.5
DIFFUSE_THERMAL = 0.3
DIFFUSION_SHARE = 0.1


@dataclass(frozen=True, slots=True)
class Kind:
    """One of the ten: what it does to entropy, thermal, resources and the weather, and how it is told."""

    text: str
    entropy: float = 0.0
    thermal: float = 0.0
    resources: Mapping[str, float] = field(default_factory=dict)
    properties: Mapping[str, float] = field(default_factory=dict)
    importance: float = 0.4
    valence: float = 0.0


KINDS: Mapping[str, Kind] = MappingProxyType(
    {
        "glitch": Kind(
            "Edges doubled for a moment in {zone}, as if the place had forgotten its shape.",
            0.08,
            0.02,
            {"knowledge": -3},
            {"noise": 0.1},
            0.4,
            -0.2,
        ),
        "energy_surge": Kind(
            "A surge of warm light ran through {zone}.",
            0.05,
            0.15,
            {"energy": 15},
            {"light": 0.15, "temperature": 2.0},
            0.4,
            0.3,
        ),
        "memory_echo": Kind(
            "Voices from another day drifted across {zone}.", 0.02, -0.02, {"knowledge": 6}, {"noise": 0.05}, 0.5, 0.1
        ),
        "resource_bloom": Kind(
            "Everything in {zone} came into bloom at once.",
            -0.05,
            0.0,
            {"food": 18, "materials": 10},
            {"humidity": 0.1},
            0.5,
            0.5,
        ),
        "temporal_rift": Kind(
            "For a breath, dusk and morning stood side by side in {zone}.",
            0.15,
            -0.1,
            {"energy": -8},
            {"light": -0.2},
            0.7,
            -0.4,
        ),
        "harmonic_resonance": Kind(
            "A low, clear note hung over {zone} and everything seemed to agree with it.",
            -0.15,
            0.0,
            {"knowledge": 5},
            {"noise": -0.1},
            0.5,
            0.6,
        ),
        "entropy_spike": Kind(
            "Things came loose in {zone}: shelves fell, paths lost their edges.",
            0.25,
            0.05,
            {"materials": -8},
            {"noise": 0.2},
            0.6,
            -0.5,
        ),
        "consciousness_leak": Kind(
            "In {zone}, thoughts that belonged to nobody went from mind to mind.",
            0.06,
            0.0,
            {"knowledge": 10},
            {},
            0.7,
            0.2,
        ),
        "data_storm": Kind(
            "A storm of bright fragments swept through {zone}.",
            0.12,
            0.08,
            {"knowledge": 8, "energy": -6},
            {"noise": 0.25, "humidity": -0.1},
            0.5,
            -0.3,
        ),
        "quiet_zone": Kind(
            "All sound sank out of {zone}, and it was good to sit still.", -0.2, -0.05, {}, {"noise": -0.3}, 0.3, 0.4
        ),
    }
)
_NAMES = tuple(KINDS)
_REST = {"temperature": 20.0, "humidity": 0.5, "light": 0.7, "noise": 0.2}
_BOUNDS = {"temperature": (-50.0, 60.0), "humidity": (0.0, 1.0), "light": (0.0, 1.0), "noise": (0.0, 1.0)}


def probability(entropy: float, thermal: float) -> float:
    """How likely a happening is at this environment tick."""
    return min(0.9, 0.3 + 0.4 * entropy + 0.2 * abs(thermal))


def step(zone: ZoneState) -> str | None:
    """Let one environment tick act on a locked zone. Returns the name of what happened, if anything did."""
    for resource, amount in {**REGENERATION, **zone.regeneration}.items():
        zone.give(resource, amount)
    zone.properties = {key: _bounded(key, value + (_REST[key] - value) * 0.1) for key, value in zone.properties.items()}
    zone.entropy = _share(zone.entropy * 0.97)
    zone.thermal = round(zone.thermal * 0.9, 6)
    chance = Chance(zone.seed, zone.ordinal, zone.tick, "environment")
    name = None
    if chance.uniform() < probability(zone.entropy, zone.thermal):
        name = chance.pick(_NAMES)
        _apply(zone, name, KINDS[name])
    zone.diffusing = zone.entropy > DIFFUSE_ENTROPY or abs(zone.thermal) > DIFFUSE_THERMAL
    zone.environment_due = zone.tick + zone.environment_interval
    return name


def _apply(zone: ZoneState, name: str, kind: Kind) -> None:
    zone.entropy = _share(zone.entropy + kind.entropy)
    zone.thermal = round(max(-1.0, min(1.0, zone.thermal + kind.thermal)), 6)
    for resource, amount in kind.resources.items():
        (zone.give if amount > 0 else zone.take)(resource, abs(amount))
    for key, amount in kind.properties.items():
        zone.properties[key] = _bounded(key, zone.properties[key] + amount)
    text = kind.text.format(zone=zone.name)
    zone.tell(Happening(zone.tick, name, text, kind.importance, kind.valence))


def _bounded(name: str, value: float) -> float:
    low, high = _BOUNDS[name]
    return round(max(low, min(high, value)), 6)


def _share(value: float) -> float:
    return round(max(0.0, min(1.0, value)), 6)


@dataclass(frozen=True, slots=True)
class Climate:
    """What diffusion needs to know of one zone, at the end of world tick k."""

    ordinal: int
    entropy: float
    thermal: float
    diffusing: bool
    ways: tuple[tuple[int, float], ...]
    """Neighbours as (ordinal, permeability)."""


def diffuse(zones: Mapping[int, Climate]) -> dict[int, tuple[float, float]]:
    """New (entropy, thermal) by zone ordinal, of those that change; reads only the values of k.

    Each diffusing zone gives each neighbour below it a tenth of the difference, times the way's permeability.
    """
    change: dict[int, list[float]] = {}
    for ordinal in sorted(zones):
        source = zones[ordinal]
        if not source.diffusing:
            continue
        for other, permeability in sorted(source.ways):
            target = zones[other]
            share = DIFFUSION_SHARE * permeability
            entropy = max(0.0, source.entropy - target.entropy) * share
            thermal = (source.thermal - target.thermal) * share if abs(source.thermal) > abs(target.thermal) else 0.0
            for key, sign in ((ordinal, -1.0), (other, 1.0)):
                pair = change.setdefault(key, [0.0, 0.0])
                pair[0] += sign * entropy
                pair[1] += sign * thermal
    return {
        key: (_share(zones[key].entropy + de), round(max(-1.0, min(1.0, zones[key].thermal + dt)), 6))
        for key, (de, dt) in change.items()
    }
