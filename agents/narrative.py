"""One or two readable sentences in the third person, made from what really happened. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache

from agents.facts import Decision, Facts, Outcome
from domains.chance import Chance

MOST_QUOTED = 160
"""Characters of what somebody says that a story repeats."""
_SLOT = re.compile(r"\{(\w+)\}")
_HIGH = (
    "It was a good day.",
    "Spirits were high.",
    "There was a lightness in it.",
    "Somebody was heard humming.",
)
_LOW = ("It had been a long day.", "Nothing came easily.", "The mood was grey.", "A sigh said the rest.")
_WORN = ("The legs were heavy.", "There was not much strength left.", "Sleep was not far off.")
_ODD = (
    "The air would not keep still.",
    "Something about the place was not quite right.",
    "The ground hummed a little.",
)


@lru_cache(maxsize=4096)
def _parts(template: str) -> list[str]:
    """Text and names of slots in turns, text first."""
    return _SLOT.split(template)


def fill(template: str, slots: Mapping[str, str]) -> str:
    """Put the slots into their places. Braces that name no slot are left as they are, whoever wrote them."""
    parts = _parts(template).copy()
    for i in range(1, len(parts), 2):
        name = parts[i]
        parts[i] = slots.get(name, f"{{{name}}}")
    return "".join(parts)


def tell(facts: Facts, outcome: Outcome, slots: Mapping[str, str], chance: Chance) -> str:
    """The story of one tick: what was done, and now and then how it felt."""
    story = fill(chance.pick(outcome.stories), slots)
    story = story[:1].upper() + story[1:]
    if chance.uniform() < 0.25 and (mood := _colour(facts)):
        return f"{story} {chance.pick(mood)}"
    return story


def with_words(story: str, facts: Facts, decision: Decision) -> str:
    """A story with what was said to the agent before it, and what it answered."""
    heard = facts.messages[-1]
    words, name = decision.replies.get(heard.number), facts.me.name
    said = f"“{_brief(heard.text)}” said {heard.sender}."
    answered = f" “{_brief(words)}” {name} answered." if words else f" {name} heard it, and let it be."
    return f"{said}{answered} {story}"


def _brief(words: str) -> str:
    """Words as they are quoted: in one line, not too long."""
    line = " ".join(words.split())
    return line if len(line) <= MOST_QUOTED else f"{line[: MOST_QUOTED - 1].rstrip()}…"


def _colour(facts: Facts) -> tuple[str, ...] | None:
    if facts.me.stats["energy"] < 20:
        return _WORN
    if facts.zone.entropy > 0.6:
        return _ODD
    if facts.me.mood > 0.4:
        return _HIGH
    return _LOW if facts.me.mood < -0.4 else None
