"""Sending agents messages from outside their ticks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from agents import converse, reasoners
from agents.actions.locks import lock
from agents.engine import mail
from agents.errors import Invalid, NotFound, WrongState
from agents.minds import hints
from agents.models import Agent, Lifecycle, Message
from agents.models.messages import MAX_TEXT
from domains import sql
from domains.thunderflow.actions import NewEvent, publish
from zones.actions import places

MOST_WAITING = 100
"""Messages in one inbox. More are refused: they would not be read for a long time."""

RECEIVE = "UPDATE pac_agents SET mail = mail + 1, due_tick = least(due_tick, %s) WHERE id = %s"


def send(
    agent_id: UUID, text: str, *, by: str, conversation: UUID | None = None, speaker_id: UUID | None = None
) -> Message:
    """Put a message into an agent's inbox; an active agent becomes due at the next world tick. Returns its row.

    `conversation` goes on with one that there is. With `speaker_id` an operator speaks as another agent of the same
    world: the message is that agent's, marked with who really spoke. An input: its event stands in the zone's stream.
    Raises: NotFound, Invalid, WrongState when the agent is archived or its inbox is full.
    """
    words = _checked(text)
    with transaction.atomic():
        agents, zones = lock([agent_id] if speaker_id is None else [agent_id, speaker_id])
        found = {agent.pk: agent for agent in agents}
        speaker = found.get(speaker_id) if speaker_id else None
        message, told = put(found[agent_id], zones, words, by=by, conversation=conversation, speaker=speaker)
        publish(told)
    return message


def put(
    agent: Agent,
    zones: Mapping[UUID, Any],
    words: str,
    *,
    by: str,
    conversation: UUID | None = None,
    speaker: Agent | None = None,
) -> tuple[Message, NewEvent]:
    """Put words into the inbox of an agent that is locked with its zone, which is among `zones`.

    The event is for the caller to publish, at the end of its transaction. Raises: Invalid, WrongState, NotFound.
    """
    _check_inbox(agent, speaker, conversation)
    due = agent.world.tick + 1
    message = Message.objects.create(
        world_id=agent.world_id,
        sender=f"agent:{speaker.name}" if speaker else by,
        sender_agent=speaker,
        recipient=agent,
        to=f"agent:{agent.name}",
        text=words,
        impersonated_by=by if speaker else "",
        sent_tick=agent.world.tick,
        arrived_tick=agent.world.tick,
        inserted_at=timezone.now(),
        **({"conversation": conversation} if conversation else {}),
    )
    sql.execute(RECEIVE, [due, agent.pk])
    if agent.lifecycle == Lifecycle.ACTIVE and not reasoners.apart(agent.reasoner):
        places.make_due(zones[agent.zone_id], tick=due)
    transaction.on_commit(hints.wake)
    return message, mail.received(
        agent.zone_id, agent.pk, agent.name, number=message.number, sender=message.sender, text=words,
        turn=0, conversation=message.conversation, impersonated_by=message.impersonated_by,
        world_tick=agent.world.tick, actor=by,
    )  # fmt: skip


def _checked(text: str) -> str:
    words = text.strip()
    if not words:
        raise Invalid("text: say something")
    if len(words) > MAX_TEXT:
        raise Invalid(f"text: {len(words):,} characters are too many; {MAX_TEXT:,} is the most")
    if converse.storable(words) != words:
        raise Invalid("text: it has characters that cannot be stored (NUL or lone surrogates)")
    return words


def _check_inbox(agent: Agent, speaker: Agent | None, conversation: UUID | None) -> None:
    if agent.lifecycle in (Lifecycle.ARCHIVED, Lifecycle.SEED):
        raise WrongState(f"{agent.name} is {agent.lifecycle} and reads nothing")
    if speaker is not None and speaker.world_id != agent.world_id:
        raise Invalid(f"speaker: {speaker.name} lives in another world than {agent.name}")
    if speaker is not None and speaker.pk == agent.pk:
        raise Invalid(f"speaker: {agent.name} cannot write to itself")
    if agent.mail >= MOST_WAITING:
        raise WrongState(f"{agent.name} has {agent.mail} messages waiting; try again when some are answered")
    if conversation and not Message.objects.filter(conversation=conversation, world_id=agent.world_id).exists():
        raise NotFound(f"there is no conversation {conversation}")
