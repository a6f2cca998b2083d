"""Who is present, in Redis: gone within seconds of the sockets that it tells of, which `prepare` of others closes."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import orjson
import redis
from django.conf import settings

from domains.redaction import Holding, Note, Stage, Step, Subject, harmless, register
from domains.thunderlink.presence.entries import Entry
from domains.thunderlink.presence.scripts import PREFIX


class Presence(Holding):
    """Sessions that are on a topic just now. Nothing is taken out here: a process would put its sessions back."""

    name = "presence (Redis)"
    stage = Stage.COPY

    def step(self, subject: Subject, after: dict[str, Any] | None, note: Note, *, dry: bool = False) -> Step:
        """Counts those who are there."""
        return Step(seen=sum(1 for _ in self.rows(subject)))

    def rows(self, subject: Subject) -> Iterator[dict[str, Any]]:
        """Topic and entry of each session that tells of the subject."""
        server = redis.Redis.from_url(settings.REDIS_URL, decode_responses=True)
        try:
            for place in server.scan_iter(match=f"{PREFIX}:entries:*", count=1000):
                for _, value in server.hscan_iter(place):
                    entry = Entry.decode(value)
                    if entry and _concerned(entry, subject):
                        yield {"topic": place.removeprefix(f"{PREFIX}:entries:"), "key": entry.key, "meta": entry.meta}
        finally:
            server.close()

    def left(self, subject: Subject, since: datetime) -> str:
        """Until they have gone."""
        count = sum(1 for _ in self.rows(subject))
        return f"{count} sessions on the socket still tell of them" if count else ""


def _concerned(entry: Entry, subject: Subject) -> bool:
    text = orjson.dumps({"key": entry.key, "meta": entry.meta}).decode()
    ids = (str(one) for one in (subject.agent_id, subject.user_id) if one)
    return any(one in text for one in ids) or subject.words.found(text)


register(Presence())
harmless("nodes", "name", "address", "status")
