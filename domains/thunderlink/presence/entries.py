"""One session's presence, and what states and diffs look like on the wire: as `Presence` of Phoenix's JS expects.

https://github.com/phoenixframework/phoenix/blob/main/assets/js/phoenix/presence.js (syncState, syncDiff)
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Self, TypedDict

import orjson

MOST_TEXT = 200
"""Characters of a topic, key or session."""
MOST_META = 2048
"""Bytes of metadata as JSON."""
REF = 19
"""Characters of a `phx_ref`."""


class Metas(TypedDict):
    """All of one key's sessions, oldest first."""

    metas: list[dict[str, Any]]


State = dict[str, Metas]
"""Payload of `presence_state`: sessions by key; keys in order of their text."""


class Diff(TypedDict):
    """Payload of `presence_diff`. What changed is in both: left as it was, joined as it is."""

    joins: State
    leaves: State


@dataclass(frozen=True, slots=True)
class Entry:
    """One session on one topic. `meta` is plain JSON, at most 2 KB; `ref` changes with it, and refs grow with time."""

    ref: str
    key: str
    meta: dict[str, Any]

    @classmethod
    def make(cls, key: str, meta: Mapping[str, Any], *, instead_of: Self | None = None) -> Self:
        """Raises: ValueError (metadata or key too large, or not JSON)."""
        plain = _plain(meta)
        if instead_of is not None:
            plain["phx_ref_prev"] = instead_of.ref
        return cls(_new_ref(), checked(key), plain)

    @classmethod
    def decode(cls, value: str) -> Self | None:
        """None for what is no entry: nobody is there, or a program that nobody here knows wrote something."""
        with suppress(orjson.JSONDecodeError):
            match orjson.loads(value[REF:]):
                case {"key": str(key), "meta": dict(meta)}:
                    return cls(value[:REF], key, meta)
        return None

    def encode(self) -> str:
        """As Redis holds it: the ref, which scripts look at, then JSON."""
        return self.ref + orjson.dumps({"key": self.key, "meta": self.meta}).decode()

    def shown(self) -> dict[str, Any]:
        """One of `metas`."""
        return {**self.meta, "phx_ref": self.ref}


def checked(*texts: str) -> str:
    """The first of some topics, keys and sessions. Raises: ValueError (empty, over 200 characters, not UTF-8)."""
    for text in texts:
        if not 0 < len(text) <= MOST_TEXT:
            raise ValueError(f"topics, keys and sessions have 1 to {MOST_TEXT} characters")
        text.encode()
    return texts[0]


def _plain(meta: Mapping[str, Any]) -> dict[str, Any]:
    try:
        encoded = orjson.dumps(dict(meta))
    except TypeError as error:
        raise ValueError(f"metadata is not JSON: {error}") from error
    if len(encoded) > MOST_META:
        raise ValueError(f"metadata has {len(encoded)} bytes; {MOST_META} are allowed")
    plain: dict[str, Any] = orjson.loads(encoded)
    return {name: value for name, value in plain.items() if name not in ("phx_ref", "phx_ref_prev")}


_last_us = 0


def _new_ref() -> str:
    """Grows within a process, and between processes as their clocks agree."""
    global _last_us
    _last_us = max(_last_us + 1, time.time_ns() // 1000)
    return f"{_last_us:013x}{secrets.token_hex(3)}"


def state(entries: Iterable[Entry | None]) -> State:
    """Grouped by key, sessions in order of their refs."""
    grouped: State = {}
    for entry in sorted(filter(None, entries), key=lambda entry: (entry.key, entry.ref)):
        grouped.setdefault(entry.key, Metas(metas=[]))["metas"].append(entry.shown())
    return grouped


def change(known: dict[str, Entry], changes: Mapping[str, Entry | None]) -> Diff | None:
    """Bring `known` (by session) up to date, in place. `changes`: what a session is now, None when it is gone.

    Returns what to tell whoever knew the old state; None when that is nothing.
    """
    joins: list[Entry] = []
    leaves: list[Entry] = []
    for session, new in changes.items():
        old = known.get(session)
        if old == new:
            continue
        if old is not None:
            leaves.append(old)
            del known[session]
        if new is not None:
            joins.append(new)
            known[session] = new
    return Diff(joins=state(joins), leaves=state(leaves)) if joins or leaves else None
