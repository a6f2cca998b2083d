"""From what an agent perceives to the question for its model. Pure but for the template's words, which are given.

Templates are Jinja, in a sandbox: operators write them, and they see only the plain values of `CONTEXT`. What comes
out of the world stands in them as JSON strings (`tojson`), so that a message cannot pass itself off as a heading.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from traceback import walk_tb
from typing import Any

import orjson
from jinja2 import Environment, StrictUndefined, Template, TemplateSyntaxError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from agents import behaviours
from agents.facts import Facts
from agents.minds import answers
from domains import tools

_SHIPPED = Path(__file__).parent / "templates"
MAX_LENGTH = 20_000
"""Characters of one template."""
MAX_RENDERED = 60_000
"""Characters of one rendered message; a description and prompts of full length fit."""

CONTEXT: Mapping[str, str] = {
    "name": "of the agent",
    "description": "of the agent",
    "system_prompt": "its own words for the model",
    "world": "name",
    "zone": "name",
    "tick": "of the world",
    "traits": "by name, 0–1, mods included",
    "stats": "by name, 0–100, mods included",
    "band": "of energy: high, medium, low, depleted",
    "mood": "−1…1",
    "activity": "what it was doing",
    "focus": "what it has in mind",
    "actions": "names of its latest, oldest first",
    "needs": "by name, 0–1",
    "goals": "a list of name and progress 0–1",
    "near": "names, nearest first",
    "ways": "names of zones",
    "resources": "of the zone, 0–100, by name",
    "noticed": "what happened, weightiest first",
    "memories": "recalled and recent ones",
    "messages": "a list of number, sender, text, answerable",
    "offered": "actions that are possible: name, expects, cost, takes",
    "tools": "a list of name, description, schema",
    "narrative": "whether the model tells the story too",
}
"""What a template may speak of."""


class BadTemplate(ValueError):
    """A template cannot be read or does not come out. The message says where."""


@dataclass(frozen=True, slots=True)
class Words:
    """One version of the templates."""

    version: int
    system: str
    user: str


@dataclass(frozen=True, slots=True)
class Character:
    """What a model is told of an agent besides its facts, and how it is asked."""

    description: str
    system_prompt: str
    temperature: float
    max_tokens: int


def shipped() -> Words:
    """Version 0, which is used until an operator writes another."""
    return _shipped()


@lru_cache(maxsize=1)
def _shipped() -> Words:
    return Words(0, *((_SHIPPED / f"{part}.jinja").read_text() for part in ("system", "user")))


def request(
    words: Words, facts: Facts, character: Character, recalled: Sequence[str], *, model: str, structured: str, most: int
) -> dict[str, Any]:
    """The body of a chat completion request. `most` bounds the tokens of the answer. Raises: BadTemplate."""
    offered = [b for b in behaviours.all_behaviours() if b.refusal(facts) is None]
    values = _values(facts, character, recalled, offered)
    return {
        "model": model,
        "messages": [
            {"role": "system", "content": render(words.system, values)},
            {"role": "user", "content": render(words.user, values)},
        ],
        "temperature": character.temperature,
        "max_tokens": min(character.max_tokens, most),
        **_format(structured, tuple(b.name for b in offered), facts),
    }


def _format(structured: str, actions: tuple[str, ...], facts: Facts) -> dict[str, Any]:
    if structured == "none":
        return {}
    if structured == "object":
        return {"response_format": {"type": "json_object"}}
    wanted = any(heard.answerable for heard in facts.messages)
    schema = answers.schema(actions, replies=wanted, narrative=facts.me.narrator == "model")
    return {"response_format": {"type": "json_schema", "json_schema": {"name": "decision", "schema": schema}}}


def _values(
    facts: Facts, character: Character, recalled: Sequence[str], offered: Sequence[behaviours.Behaviour]
) -> dict[str, Any]:
    me, fresh = facts.me, [memory[1] for memory in facts.me.memories]
    return {
        "name": me.name,
        "description": character.description,
        "system_prompt": character.system_prompt,
        "world": facts.zone.world_name,
        "zone": facts.zone.name,
        "tick": facts.tick,
        "traits": facts.traits,
        "stats": facts.stats,
        "band": facts.band,
        "mood": me.mood,
        "activity": me.activity,
        "focus": me.current_focus,
        "actions": me.actions,
        "needs": facts.needs,
        "goals": me.goals,
        "near": [other.name for other in facts.near],
        "ways": [way.name for way in facts.ways],
        "resources": facts.zone.resources,
        "noticed": [happening.text for happening in facts.noticed],
        "memories": list(dict.fromkeys([*recalled, *fresh])),
        "messages": [
            {"number": h.number, "sender": h.sender, "text": h.text, "answerable": h.answerable} for h in facts.messages
        ],
        "offered": [{"name": b.name, "expects": b.expects, "cost": b.cost, "takes": b.takes} for b in offered],
        "tools": [
            {"name": tool.name, "description": tool.description, "schema": tool.input}
            for tool in tools.described(facts.tools, facts.zone.world_id)
        ],
        "narrative": me.narrator == "model",
    }


def question(facts: Facts) -> str:
    """What an agent's memories are searched for before its model is asked: what goes on, and what it is about."""
    goal = facts.open_goal()
    parts = [
        *(heard.text for heard in facts.messages),
        *(happening.text for happening in facts.noticed[:2]),
        facts.me.current_focus,
        goal[1]["name"] if goal else "",
        facts.zone.name,
    ]
    return " ".join(part for part in parts if part)[:1000]


_LINE_ENDS = str.maketrans({mark: f"\\u{ord(mark):04x}" for mark in "\x7f\x85\u2028\u2029"})


def _plain_json(value: Any) -> str:
    """In one line, whatever counts as the end of one."""
    return orjson.dumps(value).decode().translate(_LINE_ENDS)


def _environment(kind: type[Environment]) -> Environment:
    made = kind(trim_blocks=True, lstrip_blocks=True, undefined=StrictUndefined)
    made.filters["tojson"] = _plain_json
    for name in ("range", "lipsum"):  # loops go over what there is, so that they end
        del made.globals[name]
    return made


_sandbox, _open = _environment(ImmutableSandboxedEnvironment), _environment(Environment)


@lru_cache(maxsize=64)
def _compiled(source: str) -> Template:
    """Our own templates go without the sandbox, which doubles their cost."""
    ours = source in (shipped().system, shipped().user)
    return (_open if ours else _sandbox).from_string(source)


def render(source: str, values: Mapping[str, Any]) -> str:
    """Fill in a template. Raises: BadTemplate."""
    try:
        return _compiled(source).render(values).strip()[:MAX_RENDERED]
    except TemplateSyntaxError as error:
        raise BadTemplate(f"line {error.lineno}: {error.message}") from error
    except Exception as error:  # whatever an operator's words lead to
        raise BadTemplate(f"{_line(error)}{type(error).__name__}: {error}") from error


def _line(error: Exception) -> str:
    """Where in a template something went wrong, if it was there."""
    lines = [line for frame, line in walk_tb(error.__traceback__) if frame.f_code.co_filename == "<template>"]
    return f"line {lines[0]}: " if lines else ""


def check(system: str, user: str) -> None:
    """Try templates on an agent that has some of everything. Raises: BadTemplate."""
    for part, source in (("system", system), ("user", user)):
        if not source.strip() or len(source) > MAX_LENGTH:
            raise BadTemplate(f"{part}: 1 to {MAX_LENGTH:,} characters")
        for values in (EXAMPLE, {**EXAMPLE, **_EMPTY}):
            try:
                render(source, values)
            except BadTemplate as error:
                raise BadTemplate(f"{part}: {error}") from error


EXAMPLE: Mapping[str, Any] = {
    "name": "Mara",
    "description": "A keeper of nets.",
    "system_prompt": "You speak little.",
    "world": "Harbour",
    "zone": "Quay",
    "tick": 120,
    "traits": {
        "openness": 0.7,
        "conscientiousness": 0.5,
        "extraversion": 0.3,
        "agreeableness": 0.6,
        "neuroticism": 0.2,
    },
    "stats": {"energy": 61.0, "creativity": 50.0, "focus": 40.0, "social": 30.0, "exploration": 20.0},
    "band": "medium",
    "mood": 0.1,
    "activity": "mending a net",
    "focus": "the storm",
    "actions": ["rest", "create"],
    "needs": {"rest": 0.0, "company": 0.4, "stimulation": 0.5, "purpose": 0.1},
    "goals": [{"name": "mend the bridge", "progress": 0.4}],
    "near": ["Ben"],
    "ways": ["Mill"],
    "resources": {"food": 50.0, "materials": 20.0, "energy": 70.0, "knowledge": 60.0},
    "noticed": ["A bell rang."],
    "memories": ["Ben lent a rope."],
    "messages": [{"number": 7, "sender": "ada", "text": "How are you?", "answerable": True}],
    "offered": [{"name": "rest", "expects": "strength", "cost": -30.0, "takes": {}}],
    "tools": [{"name": "look_around", "description": "See who is here.", "schema": {}}],
    "narrative": True,
}
"""Values to try a template on."""
_EMPTY: Mapping[str, Any] = {
    "description": "", "system_prompt": "", "activity": "", "focus": "", "actions": [], "goals": [], "near": [],
    "ways": [], "noticed": [], "memories": [], "messages": [], "tools": [], "narrative": False,
}  # fmt: skip
