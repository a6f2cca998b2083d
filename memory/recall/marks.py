"""What is noted about a memory beside its terms: who said it, that it only asks, that it holds a time or a number."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise

from memory.recall import terms

ASKS = "?"
TIME = "#time"
NUMBER = "#number"

_YEAR = 4
"""Digits."""

# "Ann Lee: …", as conversations are stored: one word, or up to three that are capitalised, then a colon and a space.
_SPEAKER = re.compile(r"\s*([^\W_][\w.'’-]*|[^\W\d_a-z][\w.'’-]*(?: [^\W\d_a-z][\w.'’-]*){1,2}):\s")

_TIME_WORDS = """
yesterday today tonight tomorrow ago last next recently since just week weeks weekend month months year years
monday tuesday wednesday thursday friday saturday sunday
january february march april june july august september october november december
"""
_TIMES = frozenset(_TIME_WORDS.split())
_NUMBER_WORDS = "one two three four five six seven eight nine ten couple few several dozen once twice"
_NUMBERS = frozenset(_NUMBER_WORDS.split())


def by(name: str = "") -> str:
    """The mark of what somebody said, one lower-case word of a name; without one, of what anybody said."""
    return f"by:{name}"


def split(text: str) -> tuple[list[str], str]:
    """Who said it, as lower-case words (none if it does not say), and what was said."""
    said = _SPEAKER.match(text)
    if said is None:
        return [], text
    return terms.words(said[1]), text[said.end() :]


def marks(text: str, said: Sequence[str] | None = None) -> set[str]:
    """All marks of a text. `said` are its words, where they are known already."""
    names, body = split(text)
    found = {by(name) for name in ["", *names]} if names else set()
    if body.rstrip().endswith("?"):
        found.add(ASKS)
    said = terms.words(body) if said is None else said[len(names) :]
    numbers = [word for word in said if word.isdecimal()]
    if numbers or not _NUMBERS.isdisjoint(said):
        found.add(NUMBER)
    if any(len(number) == _YEAR for number in numbers) or not _TIMES.isdisjoint(said) or _this_morning(said):
        found.add(TIME)
    return found


def _this_morning(said: Sequence[str]) -> bool:
    return "morning" in said and any(pair == ("this", "morning") for pair in pairwise(said))
