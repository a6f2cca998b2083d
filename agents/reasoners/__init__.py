"""Reasoners: facts in, decisions out. A kind is one module with a class that satisfies `Reasoner`.

Every kind must pass the suite in `tests/contracts/reasoners.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from agents.facts import Decision, Facts

RULES, STANDARD, CHEAP, EXPENSIVE = "rules", "standard", "cheap", "expensive"
EMBODIED = "embodied"
"""In place of an agent's kind while a client of ours lives as it (`agents.actions.embodiment`). Nobody decides then."""


class Reasoner(Protocol):
    """Decides for agents of its kind. Must be pure: the same facts always give the same decisions."""

    kind: str

    def decide(self, batch: Sequence[Facts]) -> list[Decision]:
        """One decision for each, in order, of an action that the facts allow. No I/O."""
        ...


@dataclass(frozen=True, slots=True)
class Route:
    """Who shall be asked: the rules, or a model of a tier. `scores` say why, for the log."""

    tier: str
    scores: Mapping[str, float] = field(default_factory=dict)


@runtime_checkable
class ThinkingReasoner(Reasoner, Protocol):
    """One whose agents may ask a model first, outside of any tick.

    Reasoner processes (`agents.minds`) ask; the answer is then among the facts (`facts.me.answer`) when `decide` is
    called, so that this is as pure as it is for all others.
    """

    def route(self, facts: Facts, budget: float) -> Route:
        """Who shall be asked. `budget` is the share of the tightest spending cap that is left, 0–1. Pure."""
        ...


_reasoners: dict[str, Reasoner] = {}


def register(reasoner: Reasoner) -> Reasoner:
    """Add a kind. Raises: ValueError when it is there already."""
    if reasoner.kind == EMBODIED:
        raise ValueError(f"{EMBODIED!r} is no kind that can be registered")
    if _reasoners.setdefault(reasoner.kind, reasoner) is not reasoner:
        raise ValueError(f"a reasoner of kind {reasoner.kind!r} is registered already")
    _note_thinking()
    return reasoner


def unregister(kind: str) -> None:
    """Take a kind out again; for tests of packages that bring their own."""
    del _reasoners[kind]
    _note_thinking()


def get(kind: str) -> Reasoner | None:
    """One kind, or None."""
    return _reasoners.get(kind)


def kinds() -> list[str]:
    """Names of all kinds, sorted."""
    return sorted(_reasoners)


_thinking: list[str] = []
_apart: list[str] = [EMBODIED]


def _note_thinking() -> None:
    _thinking[:] = sorted(kind for kind, reasoner in _reasoners.items() if isinstance(reasoner, ThinkingReasoner))
    _apart[:] = sorted([EMBODIED, *_thinking])


def thinking_kinds() -> list[str]:
    """Kinds whose agents ask a model first, sorted; reasoner processes serve them, outside of the world's beat."""
    return _thinking


def thinks(kind: str) -> bool:
    """Whether agents of this kind ask a model first."""
    return kind in _thinking


def apart_kinds() -> list[str]:
    """Kinds whose agents do not tick with their zone, sorted: those who think, and those who are embodied."""
    return _apart


def apart(kind: str) -> bool:
    """Whether agents of this kind do not tick with their zone."""
    return kind in _apart


def load_shipped() -> None:
    """Import the ones that come with the project."""
    from agents.reasoners import openai, router, rules  # noqa: F401
