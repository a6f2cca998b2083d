"""How many durable events a second are published, beside a bare COPY of the same rows, in turns on the same machine."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import orjson

from domains import sql
from domains.thunderflow import partitions
from thunderline.bench import followers
from thunderline.bench.arena import Arena, arena
from thunderline.bench.ticks import Report
from thunderline.config import BASE_DIR

OPTIONS = ("seconds", "replayed")
TURNS = 4
"""How often product and limit take turns."""
PUBLISHERS = 2
WARM_UP_S = 1.0
SINGLE_S = 5.0


def run(*, seconds: float, replayed: int, say: Report = lambda _: None) -> dict[str, Any]:
    """Measure in a database of its own: publishing, then following what was published. Returns the figures by name."""
    figures: dict[str, Any] = {"publishers": PUBLISHERS, "seconds": seconds}
    with arena() as place:
        followers.prepare()
        figures |= publishing(place, seconds, say)
        figures |= followers.measure(place, seconds, replayed, say)
    return figures


def publishing(place: Arena, seconds: float, say: Report) -> dict[str, Any]:
    """Batches of a thousand by two processes in turns with the bare COPY; then one event alone, again and again."""
    sql.execute("CREATE TABLE bare_events (LIKE events)")
    with publishers(place) as processes:
        say("warming up")
        published = _together(processes, "publish", WARM_UP_S)[0]
        _together(processes, "copy", WARM_UP_S)
        rates: dict[str, list[float]] = {"publish": [], "copy": []}
        for turn in range(TURNS):
            for verb in rates:
                say(f"turn {turn + 1} of {TURNS}: {verb}")
                partitions.ensure_ahead()  # no heartbeat sees to it here
                sql.execute("TRUNCATE bare_events")
                partitions.ensure_ahead()
                count, rate = _together(processes, verb, seconds / TURNS)
                rates[verb].append(rate)
                published += count if verb == "publish" else 0
        say("one event alone")
        took = _ask(processes[:1], "single", SINGLE_S)[0]["ms"]
    publish_per_s, copy_per_s = (sum(each) / TURNS for each in rates.values())
    return {
        "publish_per_s": round(publish_per_s, 1),
        "copy_per_s": round(copy_per_s, 1),
        "ratio": round(publish_per_s / copy_per_s, 3),
        "single_ms": {f"p{q}": round(took[len(took) * q // 100], 3) for q in (50, 99)},
        "payload_bytes": int(
            sql.fetch_rows("SELECT min(octet_length(payload::text)) FROM events WHERE topic LIKE 'zone.%%'")[0][0]
        ),
        "checked": check(published + len(took)),
    }


def check(published: int) -> str:
    """Compare what was published with what the log holds. Raises: RuntimeError."""
    ((stored, gaps),) = sql.fetch_rows(
        """SELECT (SELECT count(*) FROM events WHERE stream LIKE 'zone:%%'),
                  (SELECT count(*) FROM (SELECT stream, count(*) AS n, max(seq) AS last FROM events GROUP BY 1) s
                   WHERE n <> last)"""
    )
    if stored != published or gaps:
        raise RuntimeError(f"{published} events published, {stored} stored, {gaps} streams with gaps")
    return f"{published} published = {stored} stored, no gap"


@contextmanager
def publishers(place: Arena) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Real processes, each with a connection and streams of its own. They end when their input does."""
    with ExitStack() as stack:
        log = stack.enter_context((place.folder / "publishers.log").open("wb"))
        processes = []
        for number in range(PUBLISHERS):
            command = [sys.executable, "-m", "thunderline.bench.publisher", str(number)]
            pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": log}
            process = subprocess.Popen(command, env=place.environment(), cwd=BASE_DIR, **pipes)
            stack.callback(process.communicate)
            processes.append(process)
        yield processes


def _together(processes: Sequence[subprocess.Popen[bytes]], verb: str, seconds: float) -> tuple[int, float]:
    """Let all processes do the same. Returns how many rows they wrote, and how many a second."""
    done = _ask(processes, verb, seconds)
    count = sum(each["count"] for each in done)
    return count, count / max(each["seconds"] for each in done)


def _ask(processes: Sequence[subprocess.Popen[bytes]], verb: str, seconds: float) -> list[dict[str, Any]]:
    for process in processes:
        assert process.stdin is not None  # noqa: S101 - asked for above
        process.stdin.write(f"{verb} {seconds}\n".encode())
        process.stdin.flush()
    answers = [process.stdout.readline() for process in processes if process.stdout is not None]
    if not all(answers):
        raise RuntimeError("a publisher ended early")
    return [orjson.loads(answer) for answer in answers]
