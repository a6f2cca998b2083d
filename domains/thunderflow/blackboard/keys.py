"""Keys, values and patterns as the blackboard takes them. Pure."""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from functools import reduce
from typing import Any

import orjson

from domains.thunderflow.blackboard.errors import BadKey, BadValue
from domains.thunderflow.patterns import to_regex

MAX_KEY = 500
MAX_VALUE = 64 * 1024
"""Bytes of a value's JSON."""
MAX_ACTOR = 500
MAX_TTL_S = 10 * 366 * 86_400.0

WRAPPED = 32
"""Levels of other things around a value where it is told, logged or sent. orjson writes 254 in all."""

_KEY = re.compile(r"[\w-]+(\.[\w-]+)*")
# A NUL in a string, which PostgreSQL cannot store: `\u0000` after an even number of backslashes.
_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")


def check_key(key: str) -> str:
    """The key, when it is one. Raises: BadKey."""
    if not isinstance(key, str) or len(key) > MAX_KEY:
        raise BadKey(f"a key has at most {MAX_KEY} characters")
    if not _KEY.fullmatch(key) or key != key.lower():
        raise BadKey(f"{key!r}: a key is lower-case words of letters, digits, _ and -, with one dot between them")
    return key


def namespace_of(key: str) -> str:
    """The first token."""
    return key.partition(".")[0]


def encode(key: str, value: Any) -> bytes:
    """The value's JSON. Raises: BadValue when it is not plain JSON, nested too deep, or larger than `MAX_VALUE`."""
    try:
        json.dumps(value, allow_nan=False)  # orjson would write null for what is not a number
        encoded = orjson.dumps(value, option=orjson.OPT_PASSTHROUGH_DATACLASS | orjson.OPT_PASSTHROUGH_DATETIME)
        orjson.dumps(reduce(lambda inner, _: [inner], range(WRAPPED), value))
    except (TypeError, ValueError, RecursionError) as error:
        raise BadValue(f"{key}: the value is not JSON: {error}") from error
    if len(encoded) > MAX_VALUE:
        raise BadValue(f"{key}: a value has at most {MAX_VALUE:,} bytes of JSON, and this has {len(encoded):,}")
    if _NUL.search(encoded):
        raise BadValue(f"{key}: the value has a NUL character, which cannot be stored")
    return encoded


def check_ttl(key: str, ttl_s: float | None) -> None:
    """Raises: BadValue."""
    if ttl_s is not None and not (math.isfinite(ttl_s) and 0 < ttl_s <= MAX_TTL_S):
        raise BadValue(f"{key}: a time to live is a number of seconds above 0 and at most {MAX_TTL_S:,.0f}")


@dataclass(frozen=True, slots=True)
class Ends:
    """What a pattern says of both ends of the keys that it names: ranges `[low, high)`, None where it says nothing.

    A range may hold a few keys more than the pattern names (`a-b` for `a.**`); `regex` decides.
    """

    regex: str
    prefix: tuple[str, str] | None
    suffix: tuple[str, str] | None
    """Of the key read backwards."""


def ends(pattern: str) -> Ends:
    """Raises: patterns.BadPattern."""
    regex = to_regex(pattern)
    tokens = ["**"] if pattern == "*" else pattern.split(".")
    return Ends(regex, _range(tokens), _range([token[::-1] for token in reversed(tokens)]))


def _range(tokens: list[str]) -> tuple[str, str] | None:
    """From the words that stand before the first wildcard. `/` is what comes right after `.`."""
    wild = next((i for i, token in enumerate(tokens) if token.startswith("*")), None)
    if wild is None:
        return ".".join(tokens), ".".join(tokens) + "-"
    if wild == 0:
        return None
    words = ".".join(tokens[:wild])
    # `**` may stand for nothing, if nothing but such stand there, and then the words are the whole key.
    return (words if tokens[wild] == "**" else f"{words}."), f"{words}/"
