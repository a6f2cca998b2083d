"""What becomes of one column of a row that is about somebody. Pure."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from domains.redaction.words import REDACTED, WORD, Words, mask

SUFFIX = 12
"""Characters of a row's key that make what it is called unlike others: the end of an id, which is chance."""


@dataclass(frozen=True, slots=True)
class Row:
    """What a rule knows of the row."""

    words: Words
    own: bool
    """All of it is the subject's, not only what names them."""
    kept: frozenset[str]
    key: str


Change = Callable[[str, Row], str]


@dataclass(frozen=True, slots=True)
class Rule:
    """What becomes of a column's text; `cast` brings it back to the column's type."""

    change: Change
    cast: str = "text"


def _text(value: str, row: Row) -> str:
    if value and (row.own or row.words.found(value)):
        return REDACTED
    return value


def _named(value: str, row: Row) -> str:
    return REDACTED if row.words.found(value) else value


def _blank(value: str, row: Row) -> str:
    return "" if row.own or row.words.found(value) else value


def _unique(value: str, row: Row) -> str:
    if value.startswith(f"{REDACTED} ") or not (row.own or row.words.found(value)):
        return value
    return f"{REDACTED} {row.key[-SUFFIX:]}"


def _label(value: str, row: Row) -> str:
    if not row.words.found(value):
        return value
    kind, colon, _ = value.partition(":")
    return f"{kind}:{REDACTED}" if colon and not row.words.found(kind) else REDACTED


def _inner(value: str, row: Row) -> str:
    return row.words.without(value)


def _tokens(value: str, row: Row) -> str:
    if not row.words.found(value):
        return value
    tokens = value.split(".")
    left = [WORD if row.words.found(token) else token for token in tokens]
    return WORD if left == tokens else ".".join(left)


def _json(value: str, row: Row) -> str:
    if not row.own and not row.words.in_json(value):
        return value
    data = json.loads(value)
    masked = mask(data, row.words, own=row.own, kept=row.kept)
    return value if masked == data else dumps(masked)


def _items(value: str, row: Row) -> str:
    if not row.own and not row.words.in_json(value):
        return value
    data = json.loads(value)
    left = [] if row.own else [one for one in data if mask(one, row.words) == one]
    return value if left == data else dumps(left)


def dumps(value: Any) -> str:
    """JSON as everything here writes it."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


TEXT = Rule(_text)
"""A text: replaced when it names the subject or is the subject's."""
NAMED = Rule(_named)
"""A text that is never the subject's own: replaced when it names them."""
BLANK = Rule(_blank)
"""As TEXT, but nothing stays in its place."""
UNIQUE = Rule(_unique)
"""A name that no two rows may share."""
INNER = Rule(_inner)
"""A text that the system cannot do without: only the names in it go."""
LABEL = Rule(_label)
"""Who acts, such as `user:ann`: only the name goes."""
TOKENS = Rule(_tokens)
"""A topic or key: each token that names the subject goes; one whose name spans tokens goes whole."""
JSON = Rule(_json, "json")
"""Strings that are concerned go; structure stays."""
JSONB = Rule(_json, "jsonb")
ITEMS = Rule(_items, "json")
"""A list: what names the subject is taken out of it, and of their own all is."""
ITEMS_B = Rule(_items, "jsonb")
