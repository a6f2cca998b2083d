"""What kinds that ask a model share: the answer becomes the decision, or the rules decide and the log says why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from agents import decide
from agents.behaviours import all_behaviours
from agents.facts import Decision, Facts
from agents.minds import answers

RULED = "; the rules decided"


def decide_all(batch: Sequence[Facts]) -> list[Decision]:
    """A decision for each, in order: the one in its answer, checked against what is possible now."""
    by_rule = decide.choose_all(batch, all_behaviours())
    return [_of(facts, ruled) for facts, ruled in zip(batch, by_rule, strict=True)]


def _of(facts: Facts, ruled: Decision) -> Decision:
    answer = facts.me.answer
    if answer is None:
        return replace(ruled, error=f"no model was asked{RULED}")
    if not answer.text:
        return replace(ruled, usage=answer.usage, error=f"{answer.error}{RULED}" if answer.error else ruled.error)
    try:
        decision = answers.read(answer.text, facts, ruled)
    except answers.Nonsense as error:
        return replace(ruled, usage=answer.usage, error=f"the model's answer: {error}{RULED}")
    return replace(decision, usage=answer.usage, alternatives=ruled.alternatives)
