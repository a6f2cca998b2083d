"""The tools that ship for agents: look around, recall a memory, read and write notices.

A tool's output may extend `Told` to say how the agent's story and memory speak of the call.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pydantic import BaseModel, Field

from agents.facts import Facts, Saying
from agents.narrative import fill
from domains.chance import Chance
from domains.tools import Arguments, Caller, ToolError, tool


class Told(BaseModel):
    """Output of a tool that an agent's story can tell: templates with `{name}`, `{zone}` and the keys of `slots`."""

    story: str = Field("", exclude=True)
    impression: str = Field("", exclude=True)
    slots: dict[str, str] = Field(default_factory=dict, exclude=True)
    memorable: bool = Field(True, exclude=True)
    """False for what was only recalled."""
    says: tuple[Saying, ...] = Field((), exclude=True)
    """Words for other agents."""


Suggest = Callable[[Facts, Chance], Mapping[str, Any]]
_suggestions: dict[str, Suggest] = {}


def suggestion(name: str) -> Callable[[Suggest], Suggest]:
    """Declare how an agent that decides by rules fills in a tool's arguments. Pure; chance only from its `Chance`."""

    def declare(function: Suggest) -> Suggest:
        _suggestions[name] = function
        return function

    return declare


def suggest(name: str, facts: Facts, chance: Chance) -> Mapping[str, Any]:
    """Arguments for a tool; none for a tool that nobody declared a suggestion for."""
    function = _suggestions.get(name)
    return function(facts, chance) if function else {}


Telling = Callable[[Any], Told]
_tellings: dict[str, Telling] = {}


def telling(name: str) -> Callable[[Telling], Telling]:
    """Declare how a story speaks of a tool whose output knows nothing of stories."""

    def declare(function: Telling) -> Telling:
        _tellings[name] = function
        return function

    return declare


def tell(name: str, result: object) -> Told:
    """What there is to tell of a tool's output."""
    if isinstance(result, Told):
        return result
    function = _tellings.get(name)
    return function(result) if function else Told()


def _facts(caller: Caller) -> Facts:
    if not isinstance(caller.facts, Facts):
        raise ToolError("agents_only", "only an agent in its zone can use this")
    return caller.facts


class Nothing(Arguments):
    """No arguments."""


class Surroundings(Told):
    """What can be seen."""

    zone: str
    near: list[str]
    ways: list[str]
    resources: dict[str, float]


@tool(
    name="look_around",
    description="See who and what is here.",
    capability="observe",
    output=Surroundings,
    writes=False,
)
def look_around(_arguments: Nothing, caller: Caller) -> Surroundings:
    """Only reads what the agent perceived already."""
    facts = _facts(caller)
    scarce = min(facts.zone.resources, key=lambda name: (facts.zone.resources[name], name))
    near = [other.name for other in facts.near]
    return Surroundings(
        zone=facts.zone.name,
        near=near,
        ways=[way.name for way in facts.ways],
        resources=dict(facts.zone.resources),
        story="{name} took a careful look around {zone}: {near} near, {scarce} running lowest.",
        slots={"near": ", ".join(near[:3]) or "nobody", "scarce": scarce},
    )


class Question(Arguments):
    """What to think back to."""

    text: str = Field(min_length=1, max_length=500)


class Recalled(Told):
    """Memories, nearest in meaning first."""

    memories: list[str]


@tool(
    name="recall_memory",
    description="Think back: memories nearest in meaning to a text.",
    capability="recall",
    output=Recalled,
    writes=False,
)
def recall_memory(question: Question, caller: Caller) -> Recalled:
    """One exact search of the agent's memories, which count as recalled (`caller.recalls`).

    By meaning alone: what a tick tells follows from what is remembered and from no clock.
    """
    from memory import actions
    from memory import queries as memory

    if caller.agent_id is None:
        raise ToolError("agents_only", "only an agent can think back")
    (best,) = memory.nearest_many([(caller.agent_id, question.text)], limit=3)
    caller.recalls.append(actions.Recall(caller.agent_id, tuple(one.id for one in best)))
    found = [one.content for one in best]
    story = "{name} thought back: {memory}" if found else "{name} thought back, and nothing came."
    return Recalled(memories=found, story=story, slots={"memory": found[0] if found else ""}, memorable=False)


@suggestion("recall_memory")
def _recall_about(facts: Facts, chance: Chance) -> Mapping[str, Any]:
    topics = [facts.me.current_focus, facts.zone.name, *(other.name for other in facts.near[:2])]
    return {"text": chance.pick([topic for topic in topics if topic])[:500]}


class NoticeText(Arguments):
    """What to write."""

    text: str = Field(min_length=1, max_length=500)


class Written(Told):
    """The notice hangs."""

    text: str


@tool(
    name="write_notice",
    description="Pin up a notice in this zone for others to read.",
    capability="write_notices",
    output=Written,
)
def write_notice(notice: NoticeText, caller: Caller) -> Written:
    """Writes one row in the locked zone."""
    from zones.actions import places

    if caller.zone_id is None:
        raise ToolError("agents_only", "only somebody in a zone can pin up a notice")
    author = caller.actor.removeprefix("agent:")
    event = places.write_notice(zone_id=caller.zone_id, author=author, text=notice.text, world_tick=caller.world_tick)
    caller.events.append(event)
    return Written(
        text=notice.text,
        story="{name} pinned up a notice in {zone}: “{text}”",
        impression="Pinned up a notice in {zone}: {text}",
        slots={"text": notice.text},
    )


_NOTICES = (
    "Who has seen my ladder? — {name}",
    "{scarce} is getting short in {zone}. Share it.",
    "Meeting at dusk. Bring a chair. — {name}",
    "Found: one glove. Lost: the other. — {name}",
    "To whoever whistles at night: the second verse is wrong.",
    "Looking for company to {goal}. — {name}",
    "The path by the water is slippery. Mind your step.",
)


@suggestion("write_notice")
def _notice(facts: Facts, chance: Chance) -> Mapping[str, Any]:
    scarce = min(facts.zone.resources, key=lambda name: (facts.zone.resources[name], name))
    goal = facts.open_goal()
    text = chance.pick(_NOTICES)
    slots = {
        "name": facts.me.name,
        "zone": facts.zone.name,
        "scarce": scarce.capitalize(),
        "goal": goal[1]["name"] if goal else "sing",
    }
    return {"text": fill(text, slots)[:500]}


class Notices(Told):
    """What hangs here, newest first."""

    notices: list[str]


@tool(
    name="read_notices",
    description="Read the notices in this zone.",
    capability="read_notices",
    output=Notices,
    writes=False,
)
def read_notices(_arguments: Nothing, caller: Caller) -> Notices:
    """One query."""
    from zones import queries as zones

    if caller.zone_id is None:
        raise ToolError("agents_only", "only somebody in a zone can read its notices")
    texts = [f"{n.text} ({n.author})" for n in zones.notices(caller.zone_id)]
    if not texts:
        return Notices(notices=[], story="{name} looked for notices in {zone}; the wall was bare.")
    return Notices(
        notices=texts,
        story="{name} stopped to read a notice in {zone}: “{text}”",
        impression="Read a notice in {zone}: {text}",
        slots={"text": texts[0]},
    )


class Words(Arguments):
    """Whom to tell what."""

    to: str = Field(min_length=1, max_length=100)
    """The name of an agent of the same world."""
    text: str = Field(min_length=1, max_length=1000)


class Sent(Told):
    """The message is on its way, or in the inbox."""

    to: str
    number: int | None = None
    """Of the message, when a person sent it."""


@tool(
    name="send_message",
    description="Say something to an agent, near or far; the answer comes to your inbox.",
    capability="send_messages",
    output=Sent,
    writes=False,  # an agent's words leave with its tick
)
def send_message(words: Words, caller: Caller) -> Sent:
    """An agent's words leave with its tick; a person's are in the inbox at once."""
    from agents import actions, queries
    from agents.errors import AgentError

    try:
        to = queries.find(words.to, world_id=queries.world_of(caller.agent_id) if caller.agent_id else None)
        if caller.agent_id is None:
            return Sent(to=to.name, number=actions.send(to.pk, words.text, by=caller.actor).number)
    except AgentError as error:
        raise ToolError(error.code, str(error)) from error
    if to.pk == caller.agent_id:
        raise ToolError("invalid_arguments", "send_message: to: that is yourself")
    return Sent(
        to=to.name,
        says=(Saying(to.ordinal, words.text),),
        story="{name} sent word to {to}: “{text}”",
        impression="Sent word to {to}: {text}",
        slots={"to": to.name, "text": words.text},
    )


_WORDS = (
    "How are things where you are, {other}?",
    "{scarce} is getting short in {zone}. Is there any with you?",
    "I mean to {goal}. Would you lend a hand, {other}?",
)


@suggestion("send_message")
def _word(facts: Facts, chance: Chance) -> Mapping[str, Any]:
    if not facts.near:
        return {}
    other = facts.near[chance.index(len(facts.near))].name
    goal, scarce = facts.open_goal(), min(facts.zone.resources, key=lambda name: (facts.zone.resources[name], name))
    slots = {"other": other, "zone": facts.zone.name, "scarce": scarce.capitalize()}
    text = fill(chance.pick(_WORDS), slots | {"goal": goal[1]["name"] if goal else "learn a song"})
    return {"to": other, "text": text[:1000]}
