"""Reasoners: facts in, decisions out. A kind is one module with a class that satisfies `Reasoner`.

Every kind must pass the suite in `tests/contracts/reasoners.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from agents.facts import Decision, Facts


class Reasoner(Protocol):
    """Decides for agents of its kind. Must be pure: the same facts always give the same decisions."""

    kind: str

    def decide(self, batch: Sequence[Facts]) -> list[Decision]:
        """One decision for each, in order, of an action that the facts allow. No I/O."""
        ...


_reasoners: dict[str, Reasoner] = {}


def register(reasoner: Reasoner) -> Reasoner:
    """Add a kind. Raises: ValueError when it is there already."""
    if _reasoners.setdefault(reasoner.kind, reasoner) is not reasoner:
        raise ValueError(f"a reasoner of kind {reasoner.kind!r} is registered already")
    return reasoner


def unregister(kind: str) -> None:
    """Take a kind out again; for tests of packages that bring their own."""
    del _reasoners[kind]


def get(kind: str) -> Reasoner | None:
    """One kind, or None."""
    return _reasoners.get(kind)


def kinds() -> list[str]:
    """Names of all kinds, sorted."""
    return sorted(_reasoners)


def load_shipped() -> None:
    """Import the ones that come with the project."""
    from agents.reasoners import rules  # noqa: F401
