"""What a question asks for."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

from memory.recall import dates, marks, terms

_WHEN = re.compile(r"^\s*when\b|\b(?:what|which) (?:year|date|day|month|time)\b|\bhow long\b", re.IGNORECASE)
_HOW_MANY = re.compile(r"\bhow (?:many|much|often|long|old)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Question:
    """`words` in order, each once; `spans` of time that it names; `wants` marks of what would answer it."""

    words: tuple[str, ...]
    spans: tuple[dates.Span, ...]
    wants: frozenset[str]


def parse(text: str, *, now: datetime) -> Question:
    """Read a question. `now`, with a time zone, is what "last week" refers to."""
    said = terms.words(text)
    wants = {mark for mark, pattern in ((marks.TIME, _WHEN), (marks.NUMBER, _HOW_MANY)) if pattern.search(text)}
    return Question(
        words=tuple(dict.fromkeys(terms.content(said) or said)),
        spans=tuple(dates.spans(text, now=now)),
        wants=frozenset(wants),
    )
