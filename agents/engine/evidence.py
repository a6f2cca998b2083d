"""What the vault has to do with a chunk of ticks besides storing: what insights rest upon, and what was recalled.

Nothing that an agent does follows from it (ADR 0016): it is written, and no tick reads it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from uuid import UUID

from agents import insights
from agents.engine.apply import Ticked
from agents.facts import Insight
from memory import actions as memory
from memory import queries
from memory.actions import Grounds, Recall

MOST_SEARCHES = 4
"""Insights of one chunk for which the whole vault is searched; the others rest upon what was in mind."""
LOOKED_AT = 6
"""Memories that a search brings."""
MOST_FOUND = 3
"""Of them that become evidence."""


def ground(ticked: Sequence[Ticked], now: datetime) -> None:
    """Tie the insights of a chunk to what they rest upon, and count all that was recalled in it.

    Without insights and without recalls no query; else at most five, however many there are.
    """
    recalls = [*_answering(ticked), *(recall for one in ticked for recall in one.outcome.recalls)]
    new = [one for one in ticked if one.concluded is not None and one.concluded in one.remembered]
    if new:
        recalls += _ground(new)
    if recalls:
        memory.recalled(recalls, now=now)


def _answering(ticked: Iterable[Ticked]) -> Iterable[Recall]:
    """What people's words reminded them of who answered by rule; a model was told its own memories."""
    for one in ticked:
        if one.facts.messages and one.agent.answer is None and one.agent.decided is None:
            for heard in one.facts.messages:
                if heard.by_person:
                    yield Recall(one.agent.id, (heard.recalled_id,) if heard.recalled_id else ())


def _ground(ticked: Sequence[Ticked]) -> list[Recall]:
    found = _search(ticked)
    given = [
        Grounds(
            one.concluded, one.agent.id, one.outcome.insight.evidence, tuple(found.get(one.agent.id, ()))
        )
        for one in ticked
        if one.concluded is not None and one.outcome.insight is not None
    ]  # fmt: skip
    tied = memory.ground(given)
    return [
        Recall(one.agent.id, tuple(found[one.agent.id]), besides=tuple(tied.get(one.concluded, ())))
        if one.agent.id in found
        else Recall(one.agent.id, (), besides=tuple(tied.get(one.concluded, ())), counts=False)
        for one in ticked
        if one.concluded is not None
    ]


def _search(ticked: Sequence[Ticked]) -> dict[UUID, list[UUID]]:
    """Of those whose turn it is, by agent: older memories of the same thing. One query."""
    first = ticked[0].facts.tick % len(ticked)
    turn = [*ticked[first:], *ticked[:first]][:MOST_SEARCHES]
    asked = [(one, one.outcome.insight) for one in turn if one.outcome.insight is not None]
    brought = queries.nearest_many([(one.agent.id, insight.question) for one, insight in asked], limit=LOOKED_AT)
    return {
        one.agent.id: [
            best.id for best in found if best.id not in one.remembered and _bears_out(best.content, insight)
        ][:MOST_FOUND]
        for (one, insight), found in zip(asked, brought, strict=True)
    }


def _bears_out(content: str, insight: Insight) -> bool:
    """Whether a memory speaks of what the insight is about. What was in mind is evidence already."""
    if content in insight.evidence:
        return False
    return not insight.about or insight.about in insights.topics_of(content)
