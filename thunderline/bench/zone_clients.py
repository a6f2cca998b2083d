"""A process full of clients of zones, which does what its parent says: `python -m thunderline.bench.zone_clients`.

Reads lines of JSON, a verb and its words, and answers each with a line. Instants are of `time.monotonic`, which all
processes of a machine share. Clients are many and cheap: of what each gets, only arrival and number are noted.
"""

from __future__ import annotations

import asyncio
import gc
import itertools
import resource
import sys
import time
from array import array
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

import numpy as np
import orjson

from thunderline.bench.wire import CLOSE, Wire

AT_ONCE = 20
"""Connections that are being opened at the same time."""
ANSWER_S = 10.0
PER_MS = 10
"""Latencies are told in tenths of a millisecond, so that those of many processes add up."""

Answer = dict[str, Any]
Seen = tuple[bytes, str, list[int]]
"""A frame, its event, and the numbers in it."""


class Client:
    """One connection with one topic joined. `arrived` has the instant and the number of each event."""

    def __init__(self, topic: str, seen: dict[bytes, Seen]) -> None:
        self.topic, self._seen = topic, seen
        self.wire: Wire
        self.begin = 0
        """The zone's last number when it joined."""
        self.at, self.seqs = array("d"), array("q")
        self.error = ""
        """Why the server closed its channel."""
        self.frames = 0
        self.came: list[tuple[float, str]] = []
        """Who was seen to join, and when."""
        self._refs, self._waiting = itertools.count(1), dict[str, asyncio.Future[Answer]]()

    async def connect(self, host: str, port: int, token: str) -> None:
        """Open the line."""
        path = f"/socket/websocket?{urlencode({'token': token, 'vsn': '2.0.0'})}"
        self.wire = await Wire.open(host, port, path, self._take)

    async def join(self, params: Mapping[str, Any]) -> float:
        """Join; returns the seconds to the answer. Raises: ConnectionError with the refusal."""
        started = time.monotonic()
        answer = await self.ask("phx_join", params)
        took = time.monotonic() - started
        if answer["status"] != "ok":
            raise ConnectionError(f"{self.topic}: {answer['response']}")
        self.begin = answer["response"]["seq"]
        return took

    async def ask(self, event: str, payload: Mapping[str, Any]) -> Answer:
        """Push, and wait for the reply. Raises: TimeoutError, ConnectionError."""
        ref = str(next(self._refs))
        future = self._waiting[ref] = asyncio.get_running_loop().create_future()
        self.wire.send(orjson.dumps(["1", ref, self.topic, event, payload]))
        try:
            async with asyncio.timeout(ANSWER_S):
                await asyncio.wait([future, self.wire.closed], return_when=asyncio.FIRST_COMPLETED)
        finally:
            del self._waiting[ref]
        if not future.done():
            raise ConnectionError(f"closed with {self.wire.closed.result()}")
        return future.result()

    def beat(self) -> None:
        """As Phoenix clients do every thirty seconds."""
        self.wire.send(orjson.dumps([None, f"h{next(self._refs)}", "phoenix", "heartbeat", {}]))

    def forget(self) -> None:
        """Count anew from here."""
        self.begin = max(self.begin, max(self.seqs, default=0))
        self.at, self.seqs, self.frames = array("d"), array("q"), 0

    def _take(self, data: bytes) -> None:
        now = time.monotonic()
        # Many clients of this process get the same bytes: they are read once.
        key = data[:160]
        found = self._seen.get(key)
        if found is None or found[0] != data:
            found = self._read(data)
            if found is None:
                return
            if len(self._seen) > 64:
                self._seen.clear()
            self._seen[key] = found
        _, event, seqs = found
        if event == "presence_diff":
            self.came.extend((now, key) for key in orjson.loads(data)[4]["joins"])
        elif event == "phx_error":
            self.error = str(orjson.loads(data)[4].get("reason"))
        self.frames += 1
        self.seqs.extend(seqs)
        self.at.extend([now] * len(seqs))

    def _read(self, data: bytes) -> Seen | None:
        """None for what is this client's alone."""
        _, ref, _, event, payload = orjson.loads(data)
        if event == "phx_reply":
            waiting = self._waiting.get(ref)
            if waiting is not None and not waiting.done():
                waiting.set_result(payload)
            return None
        if event == "batch":
            return data, event, [each["seq"] for each in payload["events"]]
        return data, event, [payload["seq"]] if "seq" in payload else []


class Crowd:
    """All clients of this process."""

    def __init__(self) -> None:
        self.clients: list[Client] = []
        self.visitors: list[Client] = []
        self._seen: dict[bytes, Seen] = {}
        self._beating: asyncio.Task[None] | None = None

    async def connect(self, host: str, port: int, wanted: Sequence[Mapping[str, Any]]) -> Answer:
        """Open and join for each of `wanted`: token, topic and params. Milliseconds of each join."""
        gate, took = asyncio.Semaphore(AT_ONCE), list[float]()

        async def one(each: Mapping[str, Any]) -> None:
            async with gate:
                client = Client(each["topic"], self._seen)
                await client.connect(host, port, each["token"])
                took.append(await client.join(each["params"]))
                self.clients.append(client)

        await asyncio.gather(*(one(each) for each in wanted))
        self._beating = self._beating or asyncio.create_task(self._beat())
        return {"joined": len(self.clients), "ms": [round(s * 1000, 2) for s in took]}

    async def join_each(self, host: str, port: int, wanted: Sequence[Mapping[str, Any]]) -> Answer:
        """One after the other, a tenth of a second apart: milliseconds, and when each was in. They stay until `close`.

        Diffs tell what changed between two looks: of a visit shorter than that, there is nothing to see.
        """
        took, joined = [], []
        for each in wanted:
            client = Client(each["topic"], self._seen)
            await client.connect(host, port, each["token"])
            took.append(await client.join(each["params"]) * 1000)
            joined.append(time.monotonic())
            await asyncio.sleep(0.1)
            self.visitors.append(client)
        return {"ms": took, "at": joined}

    async def forget(self) -> Answer:
        """Count anew from here."""
        gc.collect()
        for client in self.clients:
            client.came.clear()
            client.forget()
        return {}

    async def present(self, keys: Sequence[str]) -> Answer:
        """By key, when the last client saw it join; None as long as one has not."""
        last: dict[str, float | None] = {}
        for wanted in keys:
            seen = [next((at for at, key in client.came if key == wanted), None) for client in self.clients]
            last[wanted] = None if None in seen else max(at for at in seen if at is not None)
        return {"last": last}

    async def report(
        self, commits: Sequence[tuple[int, float]], seqs: tuple[int, int], window: tuple[float, float]
    ) -> Answer:
        """Compare with the log, which holds all numbers from `seqs[0]` to `seqs[1]`; latency from commits on.

        `commits`: the last number of each and when it returned. `delivered` counts what came within the window.
        """
        last, at = np.array([c[0] for c in commits], np.int64), np.array([c[1] for c in commits])
        counts, missing, doubles, delivered, frames = Counter[int](), 0, 0, 0, 0
        for client in self.clients:
            got, when = np.array(client.seqs, np.int64), np.array(client.at)
            expected = np.arange(max(seqs[0], client.begin + 1), seqs[1] + 1)
            missing += len(np.setdiff1d(expected, got))
            doubles += len(got) - len(np.unique(got))
            delivered += int(np.count_nonzero((when >= window[0]) & (when < window[1])))
            frames += client.frames
            commit = np.searchsorted(last, got)
            known = (got >= seqs[0]) & (commit < len(last))
            late = np.round(np.maximum(0, when[known] - at[commit[known]]) * 1000 * PER_MS).astype(int)
            counts.update(dict(zip(*(part.tolist() for part in np.unique(late, return_counts=True)), strict=True)))
        return {
            "counts": list(counts.items()), "missing": missing, "doubles": doubles, "delivered": delivered,
            "frames": frames, "closed": self._closed(),
        }  # fmt: skip

    async def push(self, event: str, payloads: Sequence[Mapping[str, Any]], per_s: float, seconds: float) -> Answer:
        """Each client pushes so often, at instants set beforehand: an answer that is late makes none later."""
        counts, refused, began = Counter[int](), Counter[str](), time.monotonic() + 0.1
        running: set[asyncio.Task[None]] = set()

        async def one(client: Client, payload: Mapping[str, Any], due: float) -> None:
            try:
                answer = await client.ask(event, payload)
            except (OSError, TimeoutError) as error:
                refused[type(error).__name__ + str(error)] += 1
                return
            if answer["status"] != "ok":
                refused[str(answer["response"].get("reason"))] += 1
                return
            counts[round((time.monotonic() - due) * 1000 * PER_MS)] += 1

        async def each(number: int, client: Client) -> None:
            shift = number / len(self.clients) / per_s
            for turn in range(round(per_s * seconds)):
                due = began + shift + turn / per_s
                await asyncio.sleep(max(0.0, due - time.monotonic()))
                task = asyncio.create_task(one(client, payloads[turn % len(payloads)], due))
                running.add(task)
                task.add_done_callback(running.discard)

        await asyncio.gather(*(each(number, client) for number, client in enumerate(self.clients)))
        if running:
            await asyncio.wait(running)
        return {"counts": list(counts.items()), "refused": dict(refused), "closed": self._closed()}

    async def close(self) -> Answer:
        """End all lines."""
        if self._beating:
            self._beating.cancel()
        closed = self._closed()
        open_ = [client for client in (*self.clients, *self.visitors) if not client.wire.closed.done()]
        for client in open_:
            client.wire.send(b"\x03\xe8", CLOSE)
        if open_:
            await asyncio.wait([client.wire.closed for client in open_], timeout=ANSWER_S)
        self.clients, self.visitors, self._beating = [], [], None
        self._seen.clear()
        return {"closed": closed, "cpu_s": time.process_time()}

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(25)
            for client in self.clients:
                client.beat()

    def _closed(self) -> dict[str, int]:
        """How many lines are no more, by code and reason."""
        gone = [client for client in self.clients if client.wire.closed.done()]
        return dict(Counter(f"{client.wire.closed.result()} {client.error}".strip() for client in gone))


async def main() -> None:
    """Do what the lines say until there are no more."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 65_536)), hard))
    gc.freeze()
    crowd = Crowd()
    reader = asyncio.StreamReader(limit=1 << 26)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        words = orjson.loads(line)
        try:
            answer = await getattr(crowd, words.pop("do"))(**words)
        except (OSError, TimeoutError) as error:
            answer = {"error": f"{type(error).__name__}: {error}"}
        sys.stdout.buffer.write(orjson.dumps(answer) + b"\n")
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    asyncio.run(main())
