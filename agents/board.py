"""The blackboard as agents use it: what they think of noting down and looking up, and how their stories speak of it.

Each world has a namespace called after it; those who decide by rules write and read there.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

import orjson

from agents.facts import Facts
from agents.narrative import fill
from agents.tools import Told, suggestion, telling
from domains.chance import Chance
from domains.thunderflow.blackboard.tools import Found, Listed, Noted, Shown

MOST_OF_WORDS = 200
"""Characters of an entry that a story tells."""
TOPICS = ("stores", "weather", "company", "plans")


def word(name: str) -> str:
    """A name as a word of a key: lower-case letters and digits, with `-` between them."""
    return re.sub(r"[\W_]+", "-", name.lower()).strip("-")[:60].rstrip("-") or "nameless"


def place(facts: Facts) -> str:
    """Where an agent's knowledge of its zone belongs: `<world>.<zone>`."""
    return f"{word(facts.zone.world_name)}.{word(facts.zone.name)}"


def writer(actor: str, world: str) -> str:
    """An agent as an author and owner on the board, where agents of all worlds meet: `agent:Mara@Old Town`.

    The first `@` parts the two, so one in the agent's own name is written otherwise.
    """
    return f"{actor.replace('%', '%25').replace('@', '%40')}@{world}"


def name_of(author: str) -> str:
    """An author as a story names it."""
    kind, _, name = author.partition(":")
    return unquote(name.partition("@")[0]) if kind == "agent" else name or author


@suggestion("blackboard_put")
def _note(facts: Facts, chance: Chance) -> Mapping[str, Any]:
    topic = chance.pick(TOPICS)
    text = fill(_NOTES[topic], _slots(facts))
    return {"key": f"{place(facts)}.{topic}", "value": {"text": text, "tick": facts.tick, "by": facts.me.name}}


_NOTES = {
    "stores": "{scarce} is running lowest in {zone}: {left} of 100.",
    "weather": "{zone} stands at {temperature} degrees.",
    "company": "Seen in {zone}: {near}.",
    "plans": "{name} means to {goal}.",
}


def _slots(facts: Facts) -> dict[str, str]:
    resources, goal = facts.zone.resources, facts.open_goal()
    scarce = min(resources, key=lambda name: (resources[name], name))
    return {
        "name": facts.me.name,
        "zone": facts.zone.name,
        "scarce": scarce.capitalize(),
        "left": f"{resources[scarce]:.0f}",
        "temperature": f"{facts.zone.properties['temperature']:.0f}",
        "near": ", ".join(other.name for other in facts.near[:3]) or "nobody",
        "goal": goal[1]["name"] if goal else "sit still for a while",
    }


@suggestion("blackboard_get")
def _look_up(facts: Facts, chance: Chance) -> Mapping[str, Any]:
    where = [place(facts), *(f"{word(facts.zone.world_name)}.{word(way.name)}" for way in facts.ways)]
    return {"key": f"{chance.pick(where)}.{chance.pick(TOPICS)}"}


@suggestion("blackboard_query")
def _look_through(facts: Facts, chance: Chance) -> Mapping[str, Any]:
    world = word(facts.zone.world_name)
    return {"pattern": chance.pick((f"{place(facts)}.*", f"{world}.**", f"{world}.*.{chance.pick(TOPICS)}"))}


@telling("blackboard_put")
def _noted(note: Noted) -> Told:
    return Told(
        story="{name} wrote on the board, under {key}: “{text}”",
        impression="Wrote on the board: {text}",
        slots={"key": note.key, "text": words(note.value)},
    )


@telling("blackboard_get")
def _read(found: Found) -> Told:
    if found.entry is None:
        return Told(story="{name} looked for {key} on the board; nobody had written it.", slots={"key": found.key})
    return _told(found.entry)


@telling("blackboard_query")
def _read_through(listed: Listed) -> Told:
    if not listed.entries:
        return Told(story="{name} looked over the board; there was nothing of the kind.")
    return _told(listed.entries[0])


def _told(entry: Shown) -> Told:
    return Told(
        story="{name} read on the board, under {key}: “{text}”",
        impression="Read on the board: {text} ({author})",
        slots={"key": entry.key, "text": words(entry.value), "author": name_of(entry.author)},
    )


def words(value: Any) -> str:
    """An entry's value in words: its text if it has one, else its JSON; cut where it is long."""
    text = value.get("text") if isinstance(value, dict) else value
    text = text if isinstance(text, str) and text else orjson.dumps(value).decode()
    return text if len(text) <= MOST_OF_WORDS else f"{text[:MOST_OF_WORDS]}…"
