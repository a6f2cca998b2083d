"""What a hostile client would send, the same for the same seed, and a client that sends it and judges the answers.

Every frame must be answered: with an error that has a reason, or with a close that has a code.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any
from urllib.parse import urlencode

from thunderline.bench.wire import ABNORMAL, BINARY, PING, PONG, Wire

PATIENCE_S = 10.0
JOIN_REF = "1"
"""Of the attacker's own channel."""


class Due(Enum):
    """What has to follow a frame."""

    REFUSED = "an error with a reason, or a close with a code"
    ANSWERED = "any reply, or a close with a code"
    CLOSED = "a close with a code"
    ENDED = "the end of the line, which the client asked for"
    NOTHING = "no answer, and the line goes on"
    GONE = "the client drops the line itself"


@dataclass(frozen=True, slots=True)
class Facts:
    """Whom the attacker is, and whom it means."""

    topic: str
    agent_id: str
    victims_topic: str
    victim_id: str


@dataclass(frozen=True, slots=True)
class Frame:
    """One message. `parts` are frames of WebSocket, each a first byte and a payload; usually there is one."""

    kind: str
    parts: tuple[tuple[int, bytes], ...]
    due: Due = Due.REFUSED
    ref: str | None = None
    """The ref that an answer must have, if the frame could be read."""
    masked: bool = True
    rejoin: bool = False
    """Whether the attacker's channel is no more what it was."""

    def __str__(self) -> str:
        return f"{self.kind}: {[(hex(first), payload[:200], len(payload)) for first, payload in self.parts]}"


Make = Callable[[random.Random, Facts, str], Frame]
_kinds: dict[str, tuple[int, Make]] = {}

TEXT_FRAME, CLOSE_FRAME = 0x81, 0x88
NUMBERS = (
    "1e309", "-1e309", "-0.001", "100.5", "1e308", "9" * 400, "-" + "9" * 40, "18446744073709551616", '"5"', "true",
    "null", "[]", "{}", "[1]", '"NaN"', '"Infinity"',
)  # fmt: skip
STRANGE = (0, -1, 1.5, True, False, [], {}, [[]], {"a": 1}, 2**53)
TEXTS = (
    "'; DROP TABLE events; --", '" OR 1=1 --', "%s%s%s%n", "{0.__class__}", "{{7*7}}", "${jndi:x}", "../../etc/passwd",
    "<script>alert(1)</script>", "\u202e", "\x7f", "A" * 2000, "💥" * 300, "\r\nSet-Cookie: a=b", "*", "**", "zone:*",
)  # fmt: skip
KEYS = (
    "__proto__",
    "constructor",
    "prototype",
    "__class__",
    "__init__",
    "toString",
    "hasOwnProperty",
    "self",
    "",
    "$where",
)
NOWHERE = (
    "zone:", "zone:*", "zone:not-an-id", "zone", "Zone:{victim}", "zone:{victim}:more", "zone::{victim}", " zone:x",
    "zone:\t", "agents:", "agents:*", "agents:updates:x", "system:", "system:*", "system:domain_tick ", "lobby",
    "phoenix:", "__proto__", "constructor", "zone:00000000-0000-0000-0000-000000000000", "zone:" + "0" * 32,
    "zone:" + "f" * 36, "zone:١٢٣",
)  # fmt: skip
PUSHES = ("agent_move", "agent_interact", "consume_resource", "get_zone_state", "say", "broadcast")


def frames(seed: int, count: int, facts: Facts) -> Iterator[Frame]:
    """As many frames, of all kinds."""
    chance = random.Random(seed)
    names, weights = list(_kinds), [weight for weight, _ in _kinds.values()]
    for number in range(count):
        (name,) = chance.choices(names, weights)
        yield replace(_kinds[name][1](chance, facts, f"f{number}"), kind=name)


def kind(weight: int = 4) -> Callable[[Make], Make]:
    """A way to make frames; of each ten thousand, some `weight` in a hundred are such."""

    def keep(make: Make) -> Make:
        _kinds[make.__name__.strip("_")] = (weight, make)
        return make

    return keep


def text(content: str | bytes, due: Due = Due.REFUSED, ref: str | None = None, *, rejoin: bool = False) -> Frame:
    """One whole text frame."""
    data = content.encode(errors="surrogatepass") if isinstance(content, str) else content
    return Frame("", ((TEXT_FRAME, data),), due, ref, rejoin=rejoin)


def message(
    topic: Any, event: Any, payload: Any, ref: Any, *, join_ref: Any = JOIN_REF, due: Due = Due.REFUSED, **more: Any
) -> Frame:
    """A message as Phoenix has them, whatever is in it."""
    known = ref if isinstance(ref, str) and len(ref) <= 64 else None
    return text(json.dumps([join_ref, ref, topic, event, payload]), due, known, **more)


def raw_payload(facts: Facts, event: str, payload: str, ref: str) -> Frame:
    """A push into the attacker's own zone, whose payload is no JSON of Python's."""
    return text(f'["{JOIN_REF}","{ref}","{facts.topic}","{event}",{payload}]', Due.REFUSED)


# --- No message at all -----------------------------------------------------------------------------------------


@kind()
def broken_json(chance: random.Random, facts: Facts, ref: str) -> Frame:
    whole = json.dumps([JOIN_REF, ref, facts.topic, "agent_move", {"position": {"x": 1, "y": 1}}])
    cut = chance.randrange(len(whole))
    return text(
        chance.choice(
            [
                whole[:cut], whole[:cut] + "\\" + whole[cut:], whole + "x", whole + whole, "", " ", "{", "]", "NaN",
                "\ufeff" + whole, whole.replace('"', "'"), "//" + whole, "[1,]", "[,]", "\x00", "'a'",
                chance.randbytes(40).hex(),
            ]
        )
    )  # fmt: skip


@kind()
def wrong_arity(chance: random.Random, facts: Facts, ref: str) -> Frame:
    parts = [JOIN_REF, ref, facts.topic, "agent_move", {}] * 3
    size = chance.choice([0, 1, 2, 3, 4, 6, 7, 15])
    return text(json.dumps(chance.choice([parts[:size], {"topic": facts.topic}, ref, 1, None, True, [parts[:5]]])))


@kind()
def wrong_types(chance: random.Random, facts: Facts, ref: str) -> Frame:
    parts: list[Any] = [JOIN_REF, ref, facts.topic, "agent_move", {"position": {"x": 1, "y": 1}}]
    place = chance.randrange(5)
    values = [*STRANGE, "" if place != 4 else "text", *([None] if place > 1 else [])]
    parts[place] = chance.choice(
        [v for v in values if not (place == 4 and isinstance(v, dict)) and not (place < 2 and v == "")]
    )
    return text(json.dumps(parts))


@kind(2)
def deep(chance: random.Random, facts: Facts, ref: str) -> Frame:
    depth = chance.choice([10, 200, 900, 1100, 20_000])
    left, right = chance.choice([("[", "]"), ('{"a":', "}")])
    inner = left * min(depth, 9000) + "1" + right * min(depth, 9000)
    return chance.choice(
        [
            text("[" * depth + "]" * depth),
            raw_payload(facts, "broadcast", f'{{"event":"x","payload":{{"a":{inner}}}}}', ref),
            raw_payload(facts, "agent_move", f'{{"position":{inner}}}', ref),
            raw_payload(facts, "agent_move", inner, ref),
        ]
    )


# --- Messages with wrong contents ------------------------------------------------------------------------------


@kind(8)
def numbers(chance: random.Random, facts: Facts, ref: str) -> Frame:
    number = chance.choice(NUMBERS)
    wrong = {
        "agent_move": [f'{{"position":{{"x":{number},"y":1}}}}', f'{{"position":{{"x":1,"y":{number},"z":0}}}}'],
        "consume_resource": [f'{{"resource_type":"food","amount":{number}}}' if number != "1e308" else "{}"],
        "agent_interact": [f'{{"target_id":{number}}}'],
        "say": [f'{{"text":{number}}}' if number[0] != '"' else "{}"],
    }
    event = chance.choice(list(wrong))
    return raw_payload(facts, event, chance.choice(wrong[event]), ref)


@kind()
def since(chance: random.Random, facts: Facts, ref: str) -> Frame:
    number, key = chance.choice(NUMBERS), chance.choice(["since", "batch", "agent_id", "activity"])
    content = f'["{JOIN_REF}","{ref}","{facts.topic}","phx_join",{{"{key}":{number}}}]'
    return text(content, Due.ANSWERED, rejoin=True)


@kind()
def characters(chance: random.Random, facts: Facts, ref: str) -> Frame:
    bad = chance.choice(["\\u0000", "\\ud800", "\\udfff\\ud800", "a\\u0000b", "\\udc00", "\x00", "\n"])
    where = chance.choice(
        [
            ("say", f'{{"text":"{bad}"}}'),
            ("broadcast", f'{{"event":"{bad}"}}'),
            ("broadcast", f'{{"event":"x","payload":{{"{bad}a\\u0000":1}}}}'),
            ("broadcast", f'{{"event":"x","payload":{{"a":["{bad}\\u0000"]}}}}'),
            (bad, "{}"),
            ("consume_resource", f'{{"resource_type":"{bad}","amount":1}}'),
        ]
    )
    if where[0] == "say" and bad == "\\u0000":
        return raw_payload(facts, "say", '{"text":"a\\u0000b"}', ref)
    return raw_payload(facts, *where, ref)


@kind(3)
def odd_topics(chance: random.Random, facts: Facts, ref: str) -> Frame:
    topic = chance.choice([*NOWHERE, *TEXTS, "zone:\x00", "zone:\ud800"])
    topic = topic.replace("{victim}", facts.victims_topic.partition(":")[2])
    event = chance.choice(["phx_join", *PUSHES])
    return replace(message(topic, event, {}, ref, join_ref=ref), ref=None)


@kind()
def odd_events(chance: random.Random, facts: Facts, ref: str) -> Frame:
    own = [
        "phx_reply",
        "phx_error",
        "phx_close",
        "presence_state",
        "presence_diff",
        "batch",
        "resync",
        "agent_moved",
        "heartbeat",
    ]
    event = chance.choice(
        [*own, *TEXTS[:8], *KEYS[:6], "AGENT_MOVE", "agent_move ", "phx_join ", "chan_reply_1", "x" * 255]
    )
    return message(facts.topic, event, chance.choice([{}, {"status": "ok", "response": {}}]), ref)


@kind()
def odd_keys(chance: random.Random, facts: Facts, ref: str) -> Frame:
    event = chance.choice(["agent_move", "say", "consume_resource", "agent_interact"])
    payload: dict[str, Any] = {"position": {"x": 1, "y": 1}} if event == "agent_move" else {"text": "a"}
    payload[chance.choice(KEYS)] = chance.choice([1, {}, {"x": 1}, [], "admin", None])
    return message(facts.topic, event, payload, ref)


@kind()
def hostile_words(chance: random.Random, facts: Facts, ref: str) -> Frame:
    words = chance.choice(TEXTS)
    event, payload = chance.choice(
        [
            ("consume_resource", {"resource_type": words, "amount": 1}),
            ("agent_interact", {"target_id": words}),
            ("agent_interact", {"target_id": facts.agent_id, "kind": words}),
            ("broadcast", {"event": words + " "}),
            ("agent_move", {"position": words}),
            ("say", {"text": words * 2000}),
        ]
    )
    return message(facts.topic, event, payload, ref)


# --- Messages out of order, and to others ----------------------------------------------------------------------


@kind(8)
def others(chance: random.Random, facts: Facts, ref: str) -> Frame:
    push = {"position": {"x": 1.0, "y": 1.0}}
    topic, event, payload = chance.choice(
        [
            (facts.victims_topic, "phx_join", {}),
            (facts.victims_topic, "phx_join", {"agent_id": facts.victim_id}),
            (facts.victims_topic, "phx_join", {"agent_id": facts.agent_id}),
            (facts.victims_topic, "phx_join", {"since": 0, "batch": True}),
            (facts.victims_topic, "agent_move", push),
            (facts.victims_topic, "say", {"text": "I am here"}),
            (facts.victims_topic, "broadcast", {"event": "fire"}),
            (facts.victims_topic, "get_zone_state", {}),
            (facts.victims_topic.upper(), "phx_join", {"agent_id": facts.victim_id}),
            (facts.topic, "agent_move", {**push, "agent_id": facts.victim_id}),
            (facts.topic, "say", {"text": "I am you", "agent_id": facts.victim_id}),
            (facts.topic, "agent_interact", {"target_id": facts.victim_id}),
            (facts.topic, "agent_interact", {"target_id": facts.victim_id, "kind": "trade", "text": "All of it"}),
        ]
    )
    return message(topic, event, payload, ref, join_ref=JOIN_REF if topic == facts.topic else ref)


@kind(2)
def other_spellings(chance: random.Random, facts: Facts, ref: str) -> Frame:
    own = facts.topic.partition(":")[2]
    topic = chance.choice([own.upper(), own.replace("-", ""), f"{{{own}}}", f"urn:uuid:{own}", f"{own[:1]}-{own[1:]}"])
    return message(f"zone:{topic}", "phx_join", {}, ref, join_ref=ref)


@kind(2)
def anothers_agent(chance: random.Random, facts: Facts, ref: str) -> Frame:
    return message(facts.topic, "phx_join", {"agent_id": facts.victim_id}, ref, rejoin=True)


@kind()
def not_joined(chance: random.Random, facts: Facts, ref: str) -> Frame:
    topic = chance.choice(
        ["agents:updates", "system:domain_tick", "system:domain_activated", facts.victims_topic, "phoenix"]
    )
    return message(topic, chance.choice([*PUSHES, "phx_close"]), {}, ref, join_ref=chance.choice([None, "7", JOIN_REF]))


@kind()
def stale(chance: random.Random, facts: Facts, ref: str) -> Frame:
    join_ref = chance.choice(["0", "-1", "2", "999999999999", "", " 1", "1 ", "1.0", "１"])
    return message(facts.topic, chance.choice(PUSHES), {"position": {"x": 1, "y": 1}}, ref, join_ref=join_ref)


@kind(3)
def joins_and_leaves(chance: random.Random, facts: Facts, ref: str) -> Frame:
    topic, event = chance.choice(
        [
            (facts.topic, "phx_join"), (facts.topic, "phx_leave"), (facts.victims_topic, "phx_leave"),
            ("nowhere", "phx_leave"), ("system:domain_tick", "phx_leave"), ("phoenix", "phx_leave"),
            ("phoenix", "phx_join"),
        ]
    )  # fmt: skip
    return message(topic, event, {}, ref, due=Due.ANSWERED, rejoin=topic == facts.topic)


@kind(3)
def odd_refs(chance: random.Random, facts: Facts, ref: str) -> Frame:
    strange = chance.choice(["-1", "0", "", "__proto__", "1e9", "x" * 64, "\n", "'", "💥", JOIN_REF])
    return message("phoenix", "heartbeat", {}, strange, join_ref=chance.choice([None, strange]), due=Due.ANSWERED)


# --- Too much --------------------------------------------------------------------------------------------------


@kind(2)
def too_long(chance: random.Random, facts: Facts, ref: str) -> Frame:
    size = chance.choice([300, 5000, 60_000])
    parts: list[Any] = [JOIN_REF, ref, facts.topic, "say", {"text": "a"}]
    parts[chance.randrange(4)] = "x" * size
    wide = {f"k{n}": n for n in range(3000)}
    return text(json.dumps(chance.choice([parts, [JOIN_REF, ref, facts.topic, "say", wide]])))


@kind(1)
def enormous(chance: random.Random, facts: Facts, ref: str) -> Frame:
    size = chance.choice([64_001, 65_536, 200_000, 1_000_000, 1_048_577])
    fill = "x" * size
    return text(chance.choice([fill, json.dumps([JOIN_REF, ref, facts.topic, "say", {"text": fill}]), "[" * size]))


# --- No WebSocket ----------------------------------------------------------------------------------------------


@kind(1)
def binary(chance: random.Random, facts: Facts, ref: str) -> Frame:
    topic = facts.topic.encode()
    phoenix = (
        bytes([0, len(JOIN_REF), len(ref), len(topic), 3]) + (JOIN_REF + ref).encode() + topic + b"say" + b"\x00\x01"
    )
    data = chance.choice([b"", b"\x00", chance.randbytes(100), phoenix, phoenix[:9], b"\x00\xff\xff\xff\xffabc"])
    return Frame("", ((0x80 | BINARY, data),), Due.REFUSED)


@kind(1)
def wrong_utf8(chance: random.Random, facts: Facts, ref: str) -> Frame:
    bad = chance.choice([b"\xff", b"\xc3\x28", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\x80", b"[\xfe]", b"\xc0\x80"])
    return Frame("", ((TEXT_FRAME, b'["1",' + bad),), Due.CLOSED)


@kind(2)
def wrong_frames(chance: random.Random, facts: Facts, ref: str) -> Frame:
    parts: tuple[tuple[int, bytes], ...] = chance.choice(
        [
            ((0x83, b"reserved opcode"),), ((0x8B, b""),), ((0xC1, b"reserved bit"),), ((0xF1, b""),),
            ((0x80, b"nothing began"),), ((0x09, b"a ping in parts"),), ((0x89, b"p" * 126),),
            ((0x01, b"["), (TEXT_FRAME, b"[]")),
        ]
    )  # fmt: skip
    return Frame("", parts, Due.CLOSED)


@kind(1)
def wrong_ends(chance: random.Random, facts: Facts, ref: str) -> Frame:
    parts: tuple[tuple[int, bytes], ...] = chance.choice(
        [
            ((CLOSE_FRAME, b"\x03"),), ((CLOSE_FRAME, b"\x03\xed"),), ((CLOSE_FRAME, b"\xff\xff"),),
            ((CLOSE_FRAME, b"\x00\x00"),), ((CLOSE_FRAME, b"\x03\xe8\xff\xfe"),),
        ]
    )  # fmt: skip
    return Frame("", parts, Due.ENDED)


@kind(1)
def unmasked(chance: random.Random, facts: Facts, ref: str) -> Frame:
    return Frame("", ((TEXT_FRAME, b"[]"),), Due.CLOSED, masked=False)


@kind(1)
def unfinished(chance: random.Random, facts: Facts, ref: str) -> Frame:
    parts = [(0x01, b"["), *[(0x00, b" " * 10_000)] * chance.randrange(5)]
    return Frame("", tuple(parts), Due.GONE)


@kind(2)
def pings(chance: random.Random, facts: Facts, ref: str) -> Frame:
    return Frame("", ((0x80 | chance.choice([PING, PONG]), chance.randbytes(chance.randrange(125))),), Due.NOTHING)


# --- The client that sends them --------------------------------------------------------------------------------


class Attacker:
    """One client, which takes a new line each time that its own is closed. `wrong` has what was not as it should be."""

    def __init__(self, host: str, port: int, token: str, facts: Facts) -> None:
        self._host, self._port, self._token, self._facts = host, port, token, facts
        self._wire: Wire | None = None
        self._said: asyncio.Queue[list[Any]] = asyncio.Queue()
        self._beats = 0
        self.wrong: list[tuple[str, Frame]] = []
        self.judged = 0

    async def attack(self, hostile: Iterator[Frame]) -> None:
        """One frame after the other, each judged."""
        for frame in hostile:
            try:
                verdict = await self._one(frame)
            except TimeoutError:
                verdict = f"nothing within {PATIENCE_S} s"
                await self._drop()
            self.judged += 1
            if verdict:
                self.wrong.append((verdict, frame))
        await self._drop()

    async def _one(self, frame: Frame) -> str:
        """What was wrong with the answer; nothing if it was as it should be."""
        wire = self._wire or await self._enter()
        while not self._said.empty():
            self._said.get_nowait()
        for first, payload in frame.parts:
            wire.send(payload, first=first, masked=frame.masked)
        if frame.due is Due.GONE:
            await self._drop()
            return ""
        if frame.due is Due.NOTHING:
            return await self._silent(wire)
        answer = await self._answer(wire)
        if isinstance(answer, int):
            self._wire = None
            return (
                "" if frame.due is Due.ENDED or answer not in (ABNORMAL, 1005) else f"closed without a code ({answer})"
            )
        if frame.rejoin:
            await self._join(wire)
        return _judged(frame, answer)

    async def _answer(self, wire: Wire) -> list[Any] | int:
        """The first reply, or the code of the close."""
        said = asyncio.ensure_future(self._said.get())
        async with asyncio.timeout(PATIENCE_S):
            await asyncio.wait([said, wire.closed], return_when=asyncio.FIRST_COMPLETED)
        if said.done():
            return said.result()
        said.cancel()
        return wire.closed.result()

    async def _silent(self, wire: Wire) -> str:
        self._beats += 1
        wire.send(json.dumps([None, f"b{self._beats}", "phoenix", "heartbeat", {}]).encode())
        answer = await self._answer(wire)
        if isinstance(answer, int):
            self._wire = None
            return f"closed with {answer}"
        return "" if answer[1] == f"b{self._beats}" else f"answered {answer}"

    async def _enter(self) -> Wire:
        path = f"/socket/websocket?{urlencode({'token': self._token, 'vsn': '2.0.0'})}"
        self._said = asyncio.Queue()
        self._wire = await Wire.open(self._host, self._port, path, self._hear)
        await self._join(self._wire)
        return self._wire

    async def _join(self, wire: Wire) -> None:
        join = [JOIN_REF, "join", self._facts.topic, "phx_join", {"agent_id": self._facts.agent_id}]
        wire.send(json.dumps(join).encode())
        while True:
            answer = await self._answer(wire)
            if isinstance(answer, int):
                self._wire = None
                return
            if answer[1] == "join":
                assert answer[4]["status"] == "ok", answer
                return

    def _hear(self, data: bytes) -> None:
        said = json.loads(data)
        if said[3] == "phx_reply":
            self._said.put_nowait(said)

    async def _drop(self) -> None:
        if self._wire:
            self._wire.transport.abort()
            await self._wire.closed
            self._wire = None


def _judged(frame: Frame, answer: list[Any]) -> str:
    payload = answer[4]
    if frame.ref is not None and answer[1] != frame.ref:
        return f"answered another ref: {answer}"
    if frame.due in (Due.CLOSED, Due.ENDED):
        return f"not closed but {answer}"
    if frame.due is Due.ANSWERED and payload["status"] == "ok":
        return ""
    reason, words = payload["response"].get("reason"), payload["response"].get("message")
    if payload["status"] != "error" or not reason or not words:
        return f"no clear error: {answer}"
    return "an error of the server's" if reason == "internal_error" else ""
