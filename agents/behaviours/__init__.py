"""What agents can do. One module a behaviour; each registers itself here when it is imported.

A behaviour says when it is allowed (`prerequisite`, `capability`), how much it is wanted (`bias`, `weights` over
`agents.decide.FEATURES`, `cost`) and what it does (`act`). `act` runs under the zone's lock: it may take from and
give to the zone and tell those present (`zone.take`, `zone.give`, `zone.tell`), and returns an `Outcome`. All chance
comes from the `Chance` that it is given, so that a world can be repeated.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from agents.facts import Decision, Facts, Outcome
from domains.chance import Chance

logger = logging.getLogger(__name__)

NO_ARGUMENTS: Mapping[str, Any] = {}


def _always(_facts: Facts) -> None:
    return None


def _no_arguments(_facts: Facts, _chance: Chance) -> Mapping[str, Any]:
    return NO_ARGUMENTS


@dataclass(frozen=True, slots=True, eq=False)
class Behaviour:
    """One kind of action."""

    name: str
    cost: float
    """Energy that it takes; below 0 what it gives."""
    act: Callable[[Facts, Decision, Chance], Outcome]
    expects: str
    """What the agent hopes for, one short clause."""
    bias: float = 0.0
    weights: Mapping[str, float] = field(default_factory=dict)
    prerequisite: Callable[[Facts], str | None] = _always
    """None when it can be done now, else why not."""
    capability: str | None = None
    """Needed, when it is not for everybody; mods bring it."""
    arguments: Callable[[Facts, Chance], Mapping[str, Any]] = _no_arguments
    """What to do it with, once it is chosen."""
    takes: Mapping[str, str] = field(default_factory=dict)
    """Its arguments by name with what each is, for reasoners that choose them by themselves."""

    def refusal(self, facts: Facts) -> str | None:
        """Why the agent cannot do it now; None when it can. One that cannot say is not done."""
        if self.capability is not None and self.capability not in facts.capabilities:
            return f"it lacks the capability {self.capability}"
        try:
            return self.prerequisite(facts)
        except Exception as error:
            logger.exception("the prerequisite of %s failed for %s", self.name, facts.me.name)
            return f"its prerequisite failed: {type(error).__name__}: {error}"


_behaviours: dict[str, Behaviour] = {}
_ordered: tuple[Behaviour, ...] = ()


def register(behaviour: Behaviour) -> Behaviour:
    """Add a behaviour. Raises: ValueError when its name is taken or a weight names no feature."""
    from agents.decide import FEATURES

    global _ordered
    if unknown := behaviour.weights.keys() - FEATURES.keys():
        raise ValueError(f"{behaviour.name}: no such features: {', '.join(sorted(unknown))}")
    if _behaviours.setdefault(behaviour.name, behaviour) is not behaviour:
        raise ValueError(f"a behaviour called {behaviour.name!r} is registered already")
    _ordered = tuple(b for _, b in sorted(_behaviours.items()))
    return behaviour


def unregister(name: str) -> None:
    """Take a behaviour out again; for tests of packages that bring their own."""
    global _ordered
    del _behaviours[name]
    _ordered = tuple(b for _, b in sorted(_behaviours.items()))


def get(name: str) -> Behaviour | None:
    """One behaviour, or None."""
    return _behaviours.get(name)


def all_behaviours() -> tuple[Behaviour, ...]:
    """Every behaviour, by name."""
    return _ordered


def load_shipped() -> None:
    """Import the ones that come with the project."""
    from agents.behaviours import (  # noqa: F401
        create,
        explore,
        forage,
        learn,
        move_zone,
        reflect,
        rest,
        socialize,
        use_tool,
        work_on_goal,
    )


__all__ = ["Behaviour", "all_behaviours", "get", "load_shipped", "register", "unregister"]
