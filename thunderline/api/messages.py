"""`/agents/<id>/messages`: what was said to an agent and by it, and saying something to it."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, Field
from rest_framework.response import Response

from agents import actions, mailbox
from thunderline.api import agents as agent_doors
from thunderline.api import pages, requests
from thunderline.api.door import Door
from thunderline.api.operations import operation
from thunderline.api.replies import created, reply

IDS = {"agent_id": agent_doors.EXAMPLE_ID}
EXAMPLE = {
    "number": 7, "text": "What is beyond the pier?", "at": "2026-05-31T12:20:00Z", "status": "waiting",
    "conversation": "0197c9a2-7c1e-7d21-9a5e-3f6d5b1c2e41", "reply_to": None, "sender": "user:ann", "sender_id": None,
    "to": "agent:Ada", "recipient_id": agent_doors.EXAMPLE_ID,
}  # fmt: skip


class Message(BaseModel):
    """Something said. An answer's `reply_to` is the number of what it answers; `waiting` is not read yet."""

    number: int
    text: str
    at: datetime
    status: Literal["sent", "waiting", "answered", "read"]
    conversation: UUID
    reply_to: int | None
    sender: str
    sender_id: UUID | None
    to: str
    recipient_id: UUID | None


class MessagePage(pages.Page[Message]):
    """Messages, newest first."""


class Words(requests.Given):
    """What to say; `conversation` goes on with one."""

    text: Annotated[str, Field(min_length=1, max_length=mailbox.LONGEST), requests.Storable]
    conversation: UUID | None = None


def _shape(said: mailbox.Said) -> Message:
    return Message.model_construct(**{name: getattr(said, name) for name in Message.model_fields})


class Messages(Door):
    domain = "thunderpac"

    @operation(
        "messages_list", "What was said to an agent and by it", tag="messages", scope="agents:read", ids=IDS,
        query=requests.Pages, answer=MessagePage, shows={"results": [EXAMPLE], "next": None}, errors=[422],
        asks={"limit": 20},
    )  # fmt: skip
    def get(self, request: Any, agent_id: UUID, query: requests.Pages) -> Response:
        """Newest first."""
        agent_doors.visible(request, agent_id)
        key = pages.key_of(query.cursor, int)
        found = mailbox.conversation(agent_id, query.limit + 1, key[0] if key else None)[::-1]
        return reply(pages.page(request, found, query.limit, key=lambda said: (said.number,), shape=_shape))

    @operation(
        "messages_send", "Say something to an agent", tag="messages", scope="agents:act", ids=IDS, body=Words,
        answer=Message, status=201, sends={"text": "What is beyond the pier?"}, shows=EXAMPLE, repeatable=True,
        errors=[409],
    )  # fmt: skip
    def post(self, request: Any, agent_id: UUID, body: Words) -> Response:
        """It is in the inbox at once; the agent answers at its next tick, with a message of the same conversation."""
        agent = agent_doors.addressed(request, agent_id)
        sent = actions.send(agent_id, body.text, by=self.actor, conversation=body.conversation)
        shown = Message(
            number=sent.number, text=sent.text, at=sent.inserted_at, status=sent.status, recipient_id=agent.pk,
            conversation=sent.conversation, reply_to=None, sender=sent.sender, sender_id=None, to=sent.to,
        )  # fmt: skip
        return created(shown, at=request.path)
