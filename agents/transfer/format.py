"""Agent files: JSON lines, each checked field by field when it is written and when it is read.

First a header, then `{"agent": …}`, then in this order any number of `mod`, `memory`, `edge`, `entity`, `fact`, `tick`
and `message`, and last the checksum of all bytes before it. No ids are in it: memories and messages are numbered from 1
in their order, and what refers to them does so by number. Vectors, keys and calls of models stay where they are.

What lives (mods, working memory, waiting messages) is told in world ticks from the moment of the export, as the other
world's clock stands elsewhere. History (ticks, sources of memories, messages that are done) keeps its world's ticks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Annotated, Any, Final, Literal, Self, TypeVar

import orjson
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    ValidationError,
    model_validator,
)

from agents.errors import AgentError
from agents.specs import Effects
from domains import names
from memory.graph.names import LONGEST_KEY, LONGEST_NAME, fold

VERSION: Final = 1
LONGEST_LINE = 4 * 1024 * 1024
"""Bytes. The longest that agents come to by themselves are some 100 KB: a tick at which much was heard."""
DEEPEST = 100
"""Of lists and mappings in one another. PostgreSQL and orjson bear a few hundred."""
MOST_IN_FORCE = 1000
"""Mods at once."""

Progress = Callable[[int, int], None]
"""Told how much is done, and of how much."""


class BadAgentFile(AgentError):
    """An agent file cannot be read, or what there is cannot be written. It is refused whole."""

    code = "invalid_agent_file"


def _instant(value: object) -> object:
    """Raises: ValueError."""
    if isinstance(value, str):
        value = datetime.fromisoformat(value)
    if not isinstance(value, datetime) or value.tzinfo is None:
        raise ValueError("it must be an instant with its offset: 2026-01-31T12:00:00+00:00")
    if not 1 < value.year < 9999:  # in UTC it could lie beyond the years that Python knows
        raise ValueError("it must lie in the years 2 to 9998")
    return value


Instant = Annotated[datetime, BeforeValidator(_instant)]
Name = Annotated[str, Field(min_length=1, max_length=100), BeforeValidator(names.plain)]
Share = Annotated[float, Field(ge=0, le=1)]
Stat = Annotated[float, Field(ge=0, le=100)]
Signed = Annotated[float, Field(ge=-1, le=1)]
Coordinate = Annotated[float, Field(ge=-1e6, le=1e6)]
Tick = Annotated[int, Field(ge=-(10**15), le=10**15)]
"""World ticks. Of what happened before the world began they are negative."""
Count = Annotated[int, Field(ge=0, le=10**15)]
Number = Annotated[int, Field(ge=1, le=10**12)]
"""Place among the memories or messages of the file, from 1."""
Int4 = Annotated[int, Field(ge=0, le=2**31 - 1)]
Actor = Annotated[str, Field(max_length=150)]


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


class Counts(_Record):
    """How many lines of each sort follow."""

    mods: Count = 0
    memories: Count = 0
    edges: Count = 0
    entities: Count = 0
    facts: Count = 0
    ticks: Count = 0
    messages: Count = 0


class Header(_Record):
    """The first line. `world_tick` is the clock that the rest of the file counts from."""

    thunderline_agent: Literal[1] = VERSION
    exported_at: Instant
    world: Name
    world_tick: Count
    counts: Counts


class Goal(_Record):
    """Something to get done."""

    name: Annotated[str, Field(min_length=1, max_length=200)]
    progress: Share


_Lived = Annotated[tuple[Tick, str, Share, Signed], Field(strict=False)]
_Concluded = Annotated[
    tuple[Tick, str, Share, Signed, Annotated[str, Field(max_length=50)], Signed], Field(strict=False)
]
_SORTS = ("lived", "concluded")


def _sort(value: object) -> str:
    return _SORTS[isinstance(value, list | tuple) and len(value) > 4]


Fresh = Annotated[Annotated[_Lived, Tag(_SORTS[0])] | Annotated[_Concluded, Tag(_SORTS[1])], Discriminator(_sort)]
"""What is fresh in mind: world ticks ago, text, importance, valence."""


class AgentRecord(_Record):
    """All that an agent is, but for its place and its turn."""

    name: Name
    description: Annotated[str, Field(max_length=1000)]
    lifecycle: Literal["seed", "dormant", "active", "suspended", "archived"]
    openness: Share
    conscientiousness: Share
    extraversion: Share
    agreeableness: Share
    neuroticism: Share
    capabilities: Annotated[list[Name], Field(max_length=1000)]
    reasoner: Annotated[str, Field(max_length=50)]
    model: Annotated[str, Field(max_length=100)]
    temperature: float
    max_tokens: Annotated[int, Field(ge=-(2**31), le=2**31 - 1)]
    system_prompt: str
    narrator: Literal["rules", "model"]
    movement_range: Annotated[float, Field(ge=0, le=1e6)]
    tick_interval: Annotated[int, Field(ge=1, le=100_000)]
    energy: Stat
    creativity: Stat
    focus: Stat
    social: Stat
    exploration: Stat
    mood: Signed
    activity: Annotated[str, Field(max_length=100)]
    current_focus: Annotated[str, Field(max_length=200)]
    goals: Annotated[list[Goal], Field(max_length=1000)]
    working_memory: Annotated[list[Fresh], Field(max_length=100)]
    recent_actions: str
    x: Coordinate
    y: Coordinate
    z: Coordinate
    tick_number: Count


class ModRecord(_Record):
    """A mod in force or past. In world ticks: put on `applied_ago`, over in `remaining` (none: for good)."""

    name: Name
    kind: Literal["behavior", "capability", "memory", "tool", "personality", "stat_boost", "skill"]
    effects: Effects
    active: bool
    applied_ago: Tick
    remaining: Tick | None

    @model_validator(mode="after")
    def _lasts(self) -> Self:
        if self.remaining is not None and self.remaining <= -self.applied_ago:
            raise ValueError("a mod ends after it was put on")
        return self


class MemoryRecord(_Record):
    """A memory; its place among them is its number."""

    content: Annotated[str, Field(min_length=1, max_length=10_000)]
    summary: Annotated[str, Field(max_length=500)]
    kind: Literal["episodic", "semantic", "procedural", "emotional"]
    importance: Share
    valence: Signed
    tags: list[Any]
    source: dict[str, Any]
    access_count: Int4
    last_accessed_at: Instant | None
    valid_from: Instant | None
    valid_to: Instant | None
    inserted_at: Instant
    sources: list[dict[str, Any]] = []
    seen_count: Annotated[int, Field(ge=1, le=2**31 - 1)] = 1
    last_seen_at: Instant | None = None


class EdgeRecord(_Record):
    """A tie between two memories, by their numbers; edges come in the order of source, target and relation."""

    source: Number
    target: Number
    relation: Literal[
        "associative", "causal", "conceptual", "contradicts", "emotional", "hierarchical", "spatial", "temporal"
    ]
    strength: Share
    inserted_at: Instant

    @model_validator(mode="after")
    def _leads_elsewhere(self) -> Self:
        if self.source == self.target:
            raise ValueError("a memory has no tie to itself")
        return self


class EntityRecord(_Record):
    """Somebody or something that memories name, with all the forms of its name, and the numbers of those memories."""

    name: Annotated[str, Field(min_length=1, max_length=LONGEST_NAME)]
    kind: Literal["person", "place", "thing"]
    aliases: list[Annotated[str, Field(min_length=1, max_length=LONGEST_KEY)]]
    memories: list[Number]


class FactRecord(_Record):
    """What the agent holds or held to be so, and the number of the memory that it has it from."""

    subject: Annotated[str, Field(min_length=1, max_length=200)]
    relation: Annotated[str, Field(min_length=1, max_length=100)]
    value: Annotated[str, Field(min_length=1, max_length=2000)]
    memory: Number | None
    valid_from: Instant
    valid_to: Instant | None
    inserted_at: Instant

    @property
    def key(self) -> tuple[str, str]:
        """Subject and relation as they are compared."""
        return fold(self.subject), fold(self.relation)

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if not all(self.key):
            raise ValueError("subject and relation are more than white space")
        if self.valid_to is not None and self.valid_to < self.valid_from:
            raise ValueError("a fact does not end before it begins")
        return self


class TickRecord(_Record):
    """A tick as it was logged; `memories` are those that it formed. They come in the order of `tick_number`."""

    tick_number: Count
    world_tick: Tick
    inserted_at: Instant
    processing_time: float
    confidence: float
    state_hash: Annotated[str, Field(pattern=r"^([0-9a-f]{2}){0,64}$")]
    action: str
    reasoning: str
    narrative: str
    decision: dict[str, Any]
    review: dict[str, Any]
    stat_changes: dict[str, Any]
    state_changes: dict[str, Any]
    memories: list[Number]
    stage_ms: dict[str, Any]
    usage: dict[str, Any] | None
    error: str | None


class MessageRecord(_Record):
    """A message that the agent heard or said. The other one is known by its words only, `sender` or `to`.

    `conversation` is the number of the first message of it. What waits has no world ticks: it arrives with the agent.
    """

    heard: bool
    conversation: Number
    turn: Annotated[int, Field(ge=0, le=2**15 - 1)]
    sender: Actor
    to: Actor
    text: Annotated[str, Field(min_length=1, max_length=4000)]
    reply_to: Number | None
    impersonated_by: Actor
    status: Literal["waiting", "answered", "read"]
    sent_tick: Tick | None
    arrived_tick: Tick | None
    done_tick: Tick | None
    inserted_at: Instant

    @model_validator(mode="after")
    def _status_fits(self) -> Self:
        if not self.heard and self.status != "read":
            raise ValueError("what the agent said is read; only what it heard can wait or be answered")
        if (self.status == "waiting") != (self.sent_tick is None):
            raise ValueError("what waits has no sent_tick, and everything else has one")
        return self


class Trailer(_Record):
    """The last line: SHA-256 of all bytes before it, and how many lines they are."""

    checksum: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    lines: Count


Record = AgentRecord | ModRecord | MemoryRecord | EdgeRecord | EntityRecord | FactRecord | TickRecord | MessageRecord
RECORDS: Mapping[str, type[Record]] = {
    "agent": AgentRecord,
    "mod": ModRecord,
    "memory": MemoryRecord,
    "edge": EdgeRecord,
    "entity": EntityRecord,
    "fact": FactRecord,
    "tick": TickRecord,
    "message": MessageRecord,
}
"""What a line can hold, by its one key, in the order of the file."""
TAGS: Mapping[type[Record], str] = {kind: tag for tag, kind in RECORDS.items()}

R = TypeVar("R", bound=BaseModel)


def check(kind: type[R], data: Any, *, at: str) -> R:
    """A checked record of plain data. `at` begins its messages. Raises: BadAgentFile."""
    try:
        _check_plain(data, 0)
        return kind.model_validate(data)
    except ValidationError as error:
        raise BadAgentFile(_in_words(error, at)) from error
    except ValueError as error:
        raise BadAgentFile(f"{at}: {error}") from error


def line(record: Record) -> bytes:
    """The line of a record, with its end. Raises: BadAgentFile when it is too long to be read again."""
    tag = TAGS[type(record)]
    text = orjson.dumps({tag: record.model_dump()}) + b"\n"
    if len(text) > LONGEST_LINE:
        raise BadAgentFile(f"{tag}: {len(text):,} bytes are too many for one line; {LONGEST_LINE:,} is the most")
    return text


def plain_line(record: Header | Trailer) -> bytes:
    """The first or the last line, with its end."""
    return orjson.dumps(record.model_dump()) + b"\n"


def _check_plain(value: object, depth: int) -> None:
    """Raises: ValueError for what PostgreSQL cannot hold wherever JSON or text may stand."""
    if isinstance(value, str):
        if "\0" in value:
            raise ValueError("it has a NUL character, which cannot be stored")
    elif isinstance(value, dict | list):
        if depth >= DEEPEST:
            raise ValueError("it is nested too deeply")
        if isinstance(value, dict):
            for key in value:
                _check_plain(key, depth + 1)
            value = list(value.values())
        for inner in value:
            _check_plain(inner, depth + 1)


_WORDS = {"extra_forbidden": "there is no such field", "missing": "it is missing"}


def _in_words(error: ValidationError, at: str) -> str:
    """The first mistake, with its path and what stands there."""
    first = error.errors(include_url=False)[0]
    path = ".".join(str(part) for part in (at, *first["loc"]) if part not in _SORTS)
    words = _WORDS.get(first["type"]) or first["msg"].removeprefix("Value error, ").replace("Input should", "it should")
    given = first["input"]
    shown = f" (it is {given!r})" if isinstance(given, bool | int | float | str) and len(str(given)) <= 60 else ""
    return f"{path}: {words}{shown}"
