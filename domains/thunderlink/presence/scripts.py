"""What Redis holds of presence, and the scripts that change it: each atomic, and on Redis's own clock.

    PREFIX                    hash: generation (new when Redis has lost its data), made_at (ms), version (the last)
    PREFIX:topics             sorted set: topic -> when its last session expires (ms)
    PREFIX:expiries:<topic>   sorted set: session -> when it expires (ms)
    PREFIX:entries:<topic>    hash: session -> ref and JSON (see `entries`)
    PREFIX:log:<topic>        sorted set: session that came, changed or went -> version; "" -> older ones are forgotten

A topic without sessions has no keys. No key has an expiry of Redis's: those it would throw away when memory is short.
Every script publishes the topics that it changed. Redis 6 or later, one server (no cluster).
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, TypeVar

PREFIX = "thunderline:presence"
CHANGED = f"{PREFIX}:changed"
"""Channel: a topic that has changed."""
ANEW = f"{PREFIX}:anew"
"""Channel: the generation of a Redis that has just begun to hold presence."""
TTL_S = 8.0
KEPT = 500
"""Changes that a topic's log reaches back; who is further behind reads all of the topic."""
MOST_SESSIONS = 200
"""In one call of a script: a millisecond of Redis's time, at most."""

_BEGIN = f"""
local root, topics, expiries, entries, log = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local topic, proposed = ARGV[1], ARGV[2]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local generation = redis.call('HGET', root, 'generation')
if not generation then
  generation = proposed
  redis.call('HSET', root, 'generation', generation, 'made_at', now, 'version', 0)
  redis.call('PUBLISH', '{ANEW}', generation)
end
local touched = false

local function changed(session)
  local version = redis.call('HINCRBY', root, 'version', 1)
  if not touched and redis.call('EXISTS', log) == 0 then redis.call('ZADD', log, version - 1, '') end
  redis.call('ZADD', log, version, session)
  touched = true
end

local function forget(session)
  redis.call('ZREM', expiries, session)
  redis.call('HDEL', entries, session)
  changed(session)
end

local function finish()
  for _, session in ipairs(redis.call('ZRANGEBYSCORE', expiries, '-inf', now)) do forget(session) end
  local last = redis.call('ZRANGE', expiries, -1, -1, 'WITHSCORES')[2]
  if last then
    if redis.call('ZSCORE', topics, topic) ~= last then redis.call('ZADD', topics, last, topic) end
    local extra = redis.call('ZCARD', log) - 1 - {KEPT}
    if extra > 0 then
      local floor = redis.call('ZRANGE', log, extra, extra, 'WITHSCORES')[2]
      redis.call('ZREMRANGEBYRANK', log, 1, extra)
      redis.call('ZADD', log, floor, '')
    end
  else
    redis.call('DEL', expiries, entries, log)
    redis.call('ZREM', topics, topic)
  end
  if touched then redis.call('PUBLISH', '{CHANGED}', topic) end
end
"""


@dataclass(frozen=True)
class Script:
    """One script; `sha` is how Redis calls it once it has been loaded."""

    body: str
    sha: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "sha", hashlib.sha1(self.text.encode(), usedforsecurity=False).hexdigest())

    @property
    def text(self) -> str:
        """All of it."""
        return _BEGIN + self.body


# ttl in ms, then session and value by turns; an empty value takes the session out. Replies: generation.
WRITE = Script("""
for i = 4, #ARGV, 2 do
  local session, value = ARGV[i], ARGV[i + 1]
  local old = redis.call('HGET', entries, session)
  if value ~= '' then
    redis.call('ZADD', expiries, now + ARGV[3], session)
    if old ~= value then
      redis.call('HSET', entries, session, value)
      changed(session)
    end
  elseif old then
    forget(session)
  end
end
finish()
return {generation}
""")

# ttl in ms, then session and ref by turns. Replies: generation, sessions that are not there or not as the ref says.
RENEW = Script("""
local missing = {}
for i = 4, #ARGV, 2 do
  local session, ref = ARGV[i], ARGV[i + 1]
  local value = redis.call('HGET', entries, session)
  if value and string.sub(value, 1, #ref) == ref then
    redis.call('ZADD', expiries, now + ARGV[3], session)
  else
    missing[#missing + 1] = session
  end
end
finish()
return {generation, missing}
""")

# version that the asker knows, -1 for none. Replies: generation, version, whether this is all (1) or what changed (0),
# then session and value by turns, an empty value for who is gone.
LOOK = Script("""
finish()
local since = tonumber(ARGV[3])
local version = tonumber(redis.call('ZRANGE', log, -1, -1, 'WITHSCORES')[2] or 0)
if since == version then return {generation, version, 0} end
local floor = redis.call('ZSCORE', log, '')
local reply
if floor and since >= tonumber(floor) and since < version then
  reply = {generation, version, 0}
  for _, session in ipairs(redis.call('ZRANGEBYSCORE', log, '(' .. ARGV[3], '+inf')) do
    reply[#reply + 1] = session
    reply[#reply + 1] = redis.call('HGET', entries, session) or ''
  end
else
  reply = {generation, version, 1}
  for _, word in ipairs(redis.call('HGETALL', entries)) do reply[#reply + 1] = word end
end
return reply
""")

# Replies: generation, its age in ms, sessions.
COUNT = Script("""
finish()
return {generation, now - redis.call('HGET', root, 'made_at'), redis.call('ZCARD', expiries)}
""")

# Asked with an empty topic. Replies: generation, some topics whose last session should have expired.
OVERDUE = Script("return {generation, redis.call('ZRANGEBYSCORE', topics, '-inf', now, 'LIMIT', 0, 100)}")

SCRIPTS = (WRITE, RENEW, LOOK, COUNT, OVERDUE)


@dataclass(frozen=True, slots=True)
class Call:
    """A script with what it is called with."""

    script: Script
    topic: str
    arguments: tuple[str | int, ...] = ()

    def words(self) -> tuple[str | int, ...]:
        """The command."""
        own = (f"{PREFIX}:{kind}:{self.topic}" for kind in ("expiries", "entries", "log"))
        keys = (PREFIX, f"{PREFIX}:topics", *own)
        return ("EVALSHA", self.script.sha, len(keys), *keys, self.topic, secrets.token_hex(8), *self.arguments)


Reply = Any
"""A list, as the comment of the script says."""
T = TypeVar("T")


def per_topic(script: Script, topic: str, pairs: Mapping[str, str], *, ttl_s: float = TTL_S) -> Iterator[Call]:
    """Calls of WRITE or RENEW for any number of sessions."""
    for some in chunks(pairs.items(), MOST_SESSIONS):
        yield Call(script, topic, (int(ttl_s * 1000), *(word for pair in some for word in pair)))


def chunks(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """In their order, `size` at a time."""
    rest = iter(items)
    while some := list(islice(rest, size)):
        yield some


def pairs(words: list[str]) -> Iterator[tuple[str, str]]:
    """What comes by turns."""
    return zip(words[::2], words[1::2], strict=True)
