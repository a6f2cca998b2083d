"""Presence for code outside an event loop. Nothing is renewed here: who tracks this way tracks again in time.

Asks Redis each time, waiting two seconds at most. Not to be called in a transaction.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any

import redis
from django.conf import settings
from redis.backoff import NoBackoff
from redis.exceptions import NoScriptError
from redis.retry import Retry

from domains.thunderlink.presence.entries import Entry, State, checked, state
from domains.thunderlink.presence.errors import Away
from domains.thunderlink.presence.link import TIMEOUT_S
from domains.thunderlink.presence.scripts import (
    COUNT,
    LOOK,
    PREFIX,
    SCRIPTS,
    TTL_S,
    WRITE,
    Call,
    Reply,
    chunks,
    pairs,
    per_topic,
)

YOUNG_MS = 5000
"""Age of a Redis up to which it may not have heard of everybody yet."""
MOST_CALLS = 500


def track(topic: str, key: str, session: str, meta: Mapping[str, Any], *, hold_s: float = TTL_S) -> dict[str, Any]:
    """A session is on a topic for `hold_s` seconds; the same again only makes that longer.

    Returns the metadata with its `phx_ref`. Raises: Away, ValueError (over 2 KB as JSON, over 200 characters).
    """
    checked(topic, session)
    entry = Entry.make(key, meta)
    old = _stored(topic, session)
    if old is not None and (old.key, old.meta) == (entry.key, entry.meta):
        entry = old
    _send([*per_topic(WRITE, topic, {session: entry.encode()}, ttl_s=hold_s)])
    return entry.shown()


def untrack(topic: str, session: str) -> None:
    """A session has left. Does nothing for one that was not there. Raises: Away."""
    _send([*per_topic(WRITE, topic, {session: ""})])


def list(topic: str) -> State:
    """Who is on a topic, over all processes. Raises: Away."""
    ((_, _, _, *words),) = _send([Call(LOOK, topic, (-1,))])
    return state(Entry.decode(value) for _, value in pairs(words))


def count(topics: Iterable[str]) -> dict[str, int]:
    """Sessions of each topic. Raises: Away, also for five seconds after Redis lost its data."""
    wanted = [*dict.fromkeys(topics)]
    replies = _send([Call(COUNT, topic) for topic in wanted])
    if any(age_ms < YOUNG_MS for _, age_ms, _ in replies):
        raise Away("Redis has lost what it knew a moment ago")
    return {topic: sessions for topic, (_, _, sessions) in zip(wanted, replies, strict=True)}


def topics() -> Sequence[str]:
    """Those on which somebody is, or was a moment ago. Raises: Away."""
    try:
        found: Any = _redis(settings.REDIS_URL).zrange(f"{PREFIX}:topics", 0, -1)
    except (redis.RedisError, OSError) as error:
        raise Away(str(error)) from error
    return [*found]


def _stored(topic: str, session: str) -> Entry | None:
    try:
        value = _redis(settings.REDIS_URL).hget(f"{PREFIX}:entries:{topic}", session)
    except (redis.RedisError, OSError) as error:
        raise Away(str(error)) from error
    return Entry.decode(str(value)) if value else None


def _send(calls: Sequence[Call]) -> Sequence[Reply]:
    """Replies in the order of the calls. Raises: Away."""
    server = _redis(settings.REDIS_URL)
    try:
        return [reply for some in chunks(calls, MOST_CALLS) for reply in _execute(server, some)]
    except (redis.RedisError, OSError) as error:
        raise Away(str(error)) from error


def _execute(server: redis.Redis, calls: Sequence[Call]) -> Sequence[Reply]:
    for again in (False, True):
        pipe = server.pipeline(transaction=False)
        for call in calls:
            pipe.execute_command(*call.words())
        try:
            return pipe.execute()
        except NoScriptError:
            if again:
                raise
            for script in SCRIPTS:
                server.script_load(script.text)
    raise AssertionError("two tries end in an answer or an error")


@cache
def _redis(url: str) -> redis.Redis:
    return redis.Redis.from_url(
        url, decode_responses=True, socket_timeout=TIMEOUT_S, socket_connect_timeout=TIMEOUT_S,
        retry=Retry(NoBackoff(), 0),
    )  # fmt: skip
