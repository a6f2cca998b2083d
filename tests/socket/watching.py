"""What tests of the socket stand on: a zone with agents, tokens for them, events in its stream."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from django.db import transaction

from domains.thunderflow import queries
from domains.thunderflow.actions import NewEvent, publish_many
from domains.thundergate import tokens
from tests.factories import make_user, make_world, wake_domains
from tests.phoenix import PhoenixClient
from zones.events import NoticeWritten, zone_stream, zone_topic


class Scene:
    """A zone with some agents, and an operator with a token."""

    def __init__(self, *, agents: int = 4, **world: Any) -> None:
        wake_domains()
        self.world = make_world(agents=agents, zones=2, **world)
        self.zone, self.other = self.world.zones.order_by("ordinal")
        self.agents = list(self.world.agents.filter(zone=self.zone).order_by("ordinal"))
        self.user = make_user("operator", operator=True)

    @property
    def topic(self) -> str:
        return f"zone:{self.zone.pk}"

    def token(self, agent_id: UUID | None = None, **fields: Any) -> str:
        return tokens.issue(self.user, agent_id=agent_id, by="test", **fields)

    @contextmanager
    def client(self, url: str, **options: Any) -> Iterator[PhoenixClient]:
        """A client of the operator."""
        with PhoenixClient(url, self.token(), **options) as client:
            yield client

    def tell(self, count: int = 1, *, text: str = "x") -> int:
        """Publish notices in the zone's stream, in one transaction. Returns the last `seq`."""
        stream, topic = zone_stream(self.zone.pk), zone_topic(self.zone.pk, "notice_written")
        notices = [NoticeWritten(author="test", text=text, tick=0) for _ in range(count)]
        with transaction.atomic():
            return publish_many([NewEvent(stream, topic, notice) for notice in notices])[stream]

    def notices(self, *, after: int) -> list[int]:
        """The numbers of the notices that the zone's stream holds."""
        stored = queries.read_stream(zone_stream(self.zone.pk), after=after, limit=1_000_000)
        return [event.seq for event in stored if event.topic.endswith(".notice_written")]
