"""Review: every decision passes here before it is applied, and the verdict is stored with the tick."""

from __future__ import annotations

from typing import NamedTuple

from agents.facts import Decision, Facts

ALLOW, DENY, CHANGE = "allow", "deny", "allow_with"


class Verdict(NamedTuple):
    """What may be done. `decision` is the one to apply: the reviewed one, or what takes its place."""

    verdict: str
    decision: Decision
    reason: str = ""


def review(decision: Decision, facts: Facts) -> Verdict:
    """Allows everything for now; policies, budgets and approvals will answer here."""
    return Verdict(ALLOW, decision)
