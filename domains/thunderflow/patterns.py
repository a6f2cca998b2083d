"""Patterns over dotted topics: `*` is one token, `**` any number of tokens (none too) at any place, a bare `*` all."""

from __future__ import annotations

import re
from functools import lru_cache

# What PostgreSQL cannot be asked for, and nothing that it has is called.
_UNASKABLE = re.compile("[\0\ud800-\udfff]")


class BadPattern(ValueError):
    """A pattern with an empty token, a `*` inside a word, or a character that is none."""


def to_regex(pattern: str) -> str:
    """A regular expression that PostgreSQL and Python read alike, to be matched against `"." + topic`.

    Raises: BadPattern.
    """
    if _UNASKABLE.search(pattern):
        raise BadPattern(f"{pattern!r}: there is no such character in a word")
    if pattern == "*":
        pattern = "**"
    while "**.**" in pattern:  # the same, and quicker to refuse
        pattern = pattern.replace("**.**", "**")
    parts = []
    for token in pattern.split("."):
        if not token or ("*" in token and token not in ("*", "**")):
            raise BadPattern(f"{pattern!r}: tokens are words, * or **, with one dot between them")
        parts.append({"*": r"\.[^.]+", "**": r"(\.[^.]+)*"}.get(token) or r"\." + re.escape(token))
    return f"^{''.join(parts)}$"


@lru_cache(maxsize=1024)
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(to_regex(pattern))


def matches(pattern: str, topic: str) -> bool:
    """Whether `topic` is one that `pattern` names. Raises: BadPattern."""
    return _compiled(pattern).fullmatch("." + topic) is not None
