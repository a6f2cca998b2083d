"""Processes of a benchmark that do what lines of JSON on their input say, and answer each with one line of JSON."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import orjson

from thunderline.bench.arena import Arena
from thunderline.config import BASE_DIR


@contextmanager
def process(place: Arena, words: Sequence[str], name: str) -> Iterator[subprocess.Popen[bytes]]:
    """A module that runs in the benchmark's environment, with pipes; its end is waited for."""
    with (place.folder / f"{name}.log").open("ab") as log:
        running = subprocess.Popen(
            [sys.executable, "-m", *words], env=place.environment(), cwd=BASE_DIR,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log,
        )  # fmt: skip
    try:
        yield running
        if running.poll() is not None:
            raise RuntimeError(f"{name} ended early:\n{(place.folder / f'{name}.log').read_text()[-2000:]}")
    finally:
        running.terminate()
        try:
            running.communicate(timeout=20)
        except subprocess.TimeoutExpired:
            running.kill()
            running.communicate()


def ask(processes: Sequence[subprocess.Popen[bytes]], *words: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Tell all processes the same, or each its own, and have their answers. Raises: RuntimeError."""
    tell(processes, *words)
    return hear(processes)


def tell(processes: Sequence[subprocess.Popen[bytes]], *words: Mapping[str, Any]) -> None:
    """Only tell them; `hear` waits for the answers."""
    for each, said in zip(processes, words * len(processes) if len(words) == 1 else words, strict=True):
        assert each.stdin is not None  # noqa: S101 - asked for above
        each.stdin.write(orjson.dumps(said) + b"\n")
        each.stdin.flush()


def hear(processes: Sequence[subprocess.Popen[bytes]]) -> list[dict[str, Any]]:
    """One answer of each. Raises: RuntimeError, when one ended or tells of an error."""
    answers = [each.stdout.readline() for each in processes if each.stdout is not None]
    if not all(answers):
        raise RuntimeError(f"a process ended early: {processes[answers.index(b'')].args!r}")
    found = [orjson.loads(answer) for answer in answers]
    if errors := [each["error"] for each in found if "error" in each]:
        raise RuntimeError(f"{processes[0].args!r}: {errors[0]}")
    return found
