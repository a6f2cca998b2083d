"""Agent files read: first the checksum of the whole, then line by line, as often as is wanted.

Needs a file in which one can go back, open in binary. Nothing is written anywhere.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any, BinaryIO

import orjson

from agents.transfer.format import (
    LONGEST_LINE,
    MOST_IN_FORCE,
    RECORDS,
    TAGS,
    VERSION,
    AgentRecord,
    BadAgentFile,
    Counts,
    EdgeRecord,
    EntityRecord,
    FactRecord,
    Header,
    MessageRecord,
    ModRecord,
    Progress,
    Record,
    TickRecord,
    Trailer,
    check,
)

MOST_DAYS = 1000
"""Days of history: each is a table, which every look at the log opens."""
SLACK = timedelta(days=1)
"""How far another machine's clock may be ahead."""
TOLD_EVERY = 100

_SECTIONS = ("mod", "memory", "edge", "entity", "fact", "tick", "message")
_TAG_OF_COUNT = dict(zip(Counts.model_fields, _SECTIONS, strict=True))


@dataclass(slots=True)
class Survey:
    """What a checked file holds. `days` (UTC) are those of its ticks."""

    header: Header
    agent: AgentRecord
    in_force: int = 0
    waiting: int = 0
    days: set[date] = field(default_factory=set)


def survey(file: BinaryIO, *, now: datetime, progress: Progress | None = None) -> Survey:
    """Read the whole file without doing anything. Raises: BadAgentFile with the first mistake and its line."""
    check_sum(file)
    records = read(file, progress=progress)
    header, agent = next(records), next(records)
    if not isinstance(header, Header) or not isinstance(agent, AgentRecord):
        raise BadAgentFile("it begins with a header and an agent")  # as `read` has seen to
    found = Survey(header, agent)
    for record in records:
        if isinstance(record, TickRecord):
            found.days.add(_day(record, now))
            if len(found.days) > MOST_DAYS:
                raise BadAgentFile(f"it has ticks of more than {MOST_DAYS:,} days")
        elif isinstance(record, MessageRecord):
            found.waiting += record.status == "waiting"
        elif isinstance(record, ModRecord):
            found.in_force += record.active
    return found


def _day(tick: TickRecord, now: datetime) -> date:
    if tick.inserted_at > now + SLACK:
        raise BadAgentFile(f"tick {tick.tick_number} is of {tick.inserted_at.isoformat()}, which is yet to come")
    return tick.inserted_at.astimezone(UTC).date()


def check_sum(file: BinaryIO) -> None:
    """Compare the file with its last line. Raises: BadAgentFile."""
    file.seek(0)
    digest, last, count = hashlib.sha256(), b"", 0
    for text in _lines(file):
        digest.update(last)
        last, count = text, count + 1
    if not count:
        raise BadAgentFile("the file is empty")
    if not last.startswith(b'{"checksum":') or not last.endswith(b"\n"):
        raise BadAgentFile("the last line, which holds the checksum, is missing: the file was cut off")
    said = check(Trailer, _parsed(last, count), at=f"line {count}")
    if (said.checksum, said.lines) != (digest.hexdigest(), count - 1):
        raise BadAgentFile("the checksum does not match: the file was changed or damaged after it was written")


def read(file: BinaryIO, *, progress: Progress | None = None) -> Iterator[Header | Record]:
    """The header, the agent and all the rest, checked each by itself and in its place.

    Compares the checksum again at the end, as the file may have changed since `check_sum`. `progress` counts bytes.
    Raises: BadAgentFile with the line.
    """
    size = file.seek(0, 2)
    file.seek(0)
    digest, done, order = hashlib.sha256(), 0, _Order()
    for number, text in enumerate(_lines(file), 1):
        data = _parsed(text, number)
        if "checksum" in data:
            order.end()
            _compare(data, digest.hexdigest(), number)
            if file.read(1):
                raise BadAgentFile(f"line {number}: something comes after the checksum")
            break
        digest.update(text)
        yield order.header(data) if number == 1 else order.record(data, f"line {number}")
        done += len(text)
        if progress and number % TOLD_EVERY == 0:
            progress(done, size)
    if progress:
        progress(size, size)


def _compare(data: dict[str, Any], checksum: str, number: int) -> None:
    if check(Trailer, data, at=f"line {number}").checksum != checksum:
        raise BadAgentFile("the file was changed while it was read")


def _lines(file: BinaryIO) -> Iterator[bytes]:
    """Raises: BadAgentFile before a line that is too long is in memory."""
    number = 0
    while text := file.readline(LONGEST_LINE + 1):
        number += 1
        if len(text) > LONGEST_LINE:
            raise BadAgentFile(f"line {number}: it is longer than {LONGEST_LINE:,} bytes")
        yield text


def _parsed(text: bytes, number: int) -> dict[str, Any]:
    try:
        data = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise BadAgentFile(f"line {number}: it is not JSON: {error}") from error
    if not isinstance(data, dict):
        raise BadAgentFile(f"line {number}: it must be an object")
    return data


class _Order:
    """What must hold across lines."""

    def __init__(self) -> None:
        self.counts: Counts | None = None
        self.agent: AgentRecord | None = None
        self.found: Counter[str] = Counter()
        self.place = 0
        self.last: tuple[Any, ...] = ()
        self.in_force: set[str] = set()
        self.aliases: set[str] = set()
        self.open_facts: set[tuple[str, str]] = set()
        self.checks: dict[type[Record], Callable[[Any], str | None]] = {
            ModRecord: self._mod,
            EdgeRecord: self._edge,
            EntityRecord: self._entity,
            FactRecord: self._fact,
            TickRecord: self._tick,
            MessageRecord: self._message,
        }

    def header(self, data: dict[str, Any]) -> Header:
        """The first line. Raises: BadAgentFile."""
        version = data.get("thunderline_agent")
        if version is None:
            raise BadAgentFile("line 1: this is no agent file; `manage.py agents export` writes one")
        if version != VERSION:
            raise BadAgentFile(f"line 1: it is of version {version!r}, and this Thunderline reads version {VERSION}")
        header = check(Header, data, at="line 1")
        self.counts = header.counts
        return header

    def record(self, data: dict[str, Any], at: str) -> Record:
        """Any other line but the last. Raises: BadAgentFile."""
        tag = next(iter(data)) if len(data) == 1 else ""
        kind = RECORDS.get(tag)
        if kind is None:
            raise BadAgentFile(f"{at}: it must hold one of {', '.join(RECORDS)}, and nothing else")
        record = check(kind, data[tag], at=f"{at}: {tag}")
        problem = self._turn(tag, record) or (self.checks[kind](record) if kind in self.checks else None)
        if problem:
            raise BadAgentFile(f"{at}: {tag}: {problem}")
        return record

    def end(self) -> None:
        """Before the last line. Raises: BadAgentFile."""
        if self.agent is None or self.counts is None:
            raise BadAgentFile("there is no agent in it")
        for name, tag in _TAG_OF_COUNT.items():
            if self.found[tag] != getattr(self.counts, name):
                said = getattr(self.counts, name)
                raise BadAgentFile(f"it should hold {said:,} {name} by its first line, and holds {self.found[tag]:,}")

    def _turn(self, tag: str, record: Record) -> str | None:
        """What is wrong with a line of this sort at this place."""
        place = list(RECORDS).index(tag)
        if (self.agent is None) != (tag == "agent"):
            return "there is one agent, and it comes first"
        if place < self.place:
            return f"it comes after {list(RECORDS)[self.place]}; the order is {', '.join(TAGS.values())}"
        if place > self.place:
            self.place, self.last = place, ()
        if isinstance(record, AgentRecord):
            self.agent = record
        self.found[tag] += 1
        return None

    def _mod(self, mod: ModRecord) -> str | None:
        if not mod.active:
            return None
        if mod.name in self.in_force:
            return f"{mod.name!r} is in force twice"
        self.in_force.add(mod.name)
        return f"more than {MOST_IN_FORCE:,} are in force" if len(self.in_force) > MOST_IN_FORCE else None

    def _edge(self, edge: EdgeRecord) -> str | None:
        if max(edge.source, edge.target) > self.found["memory"]:
            return "it ties a memory that is not in the file"
        return self._rising((edge.source, edge.target, edge.relation), "source, target and relation")

    def _entity(self, entity: EntityRecord) -> str | None:
        if max(entity.memories, default=0) > self.found["memory"]:
            return "it is named in a memory that is not in the file"
        if sorted(set(entity.memories)) != entity.memories:
            return "its memories must come in their order, each once"
        if len(set(entity.aliases)) != len(entity.aliases) or not self.aliases.isdisjoint(entity.aliases):
            return "a name means one entity only, and is told once"
        self.aliases.update(entity.aliases)
        return None

    def _fact(self, fact: FactRecord) -> str | None:
        if (fact.memory or 0) > self.found["memory"]:
            return "it is from a memory that is not in the file"
        if fact.valid_to is None and fact.key in self.open_facts:
            return f"two facts hold at once for {fact.subject} {fact.relation}"
        if fact.valid_to is None:
            self.open_facts.add(fact.key)
        return None

    def _tick(self, tick: TickRecord) -> str | None:
        if max(tick.memories, default=0) > self.found["memory"]:
            return "it formed a memory that is not in the file"
        if self.agent is not None and tick.tick_number > self.agent.tick_number:
            return f"the agent has ticked {self.agent.tick_number:,} times only"
        return self._rising((tick.tick_number,), "tick_number")

    def _message(self, message: MessageRecord) -> str | None:
        number = self.found["message"]
        if message.conversation > number:
            return "its conversation begins later than it does"
        if message.reply_to is not None and message.reply_to >= number:
            return "it replies to a later one"
        return None

    def _rising(self, key: tuple[Any, ...], named: str) -> str | None:
        if self.last and key <= self.last:
            return f"they must come in the order of {named}, each once"
        self.last = key
        return None
