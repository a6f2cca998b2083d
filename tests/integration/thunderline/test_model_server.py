"""The model of the benchmarks: a process that answers well, and ends when it is told to."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import httpx2
import pytest

from agents.minds import answers
from agents.minds.client import Address, Client
from thunderline.bench import model_server
from thunderline.config import BASE_DIR

COMMAND = [sys.executable, "-m", "thunderline.bench.model_server"]


@contextmanager
def running(*options: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The process and its address."""
    with subprocess.Popen([*COMMAND, *options], cwd=BASE_DIR, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout
            yield process, f"http://127.0.0.1:{int(process.stdout.readline())}/v1"
        finally:
            process.terminate()


def request(user: str = "", **changes: object) -> dict[str, object]:
    return {"model": "m", "messages": [{"role": "user", "content": user}], **changes}


async def test_it_answers_each_time_with_another_memory_and_ends_when_it_is_told_to() -> None:
    with running("--delay-ms", "1") as (process, base_url):
        client = Client(Address(base_url, ""), connections=2)
        replies = [json.loads((await client.ask(request(), timeout_s=60)).text) for _ in range(3)]
        await client.close()
        assert {reply["action"] for reply in replies} == {"rest"}
        assert len({reply["remember"] for reply in replies}) == 3
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0


def test_it_speaks_of_nothing_else() -> None:
    with running() as (_, base_url):
        assert httpx2.get(f"{base_url}/models").status_code == 404
        assert httpx2.get(f"{base_url}/chat/completions").status_code == 404


@pytest.mark.parametrize(
    ("offered", "chosen"),
    [(["use_tool", "create", "rest"], "create"), (["reflect"], "reflect"), (["use_tool"], "use_tool")],
)
def test_it_takes_what_is_offered(offered: list[str], chosen: str) -> None:
    schema = answers.schema(tuple(offered), replies=True, narrative=True)
    wanted = {"type": "json_schema", "json_schema": {"name": "decision", "schema": schema}}
    decision = model_server.decide(request(response_format=wanted), 7)
    assert decision["action"] == chosen
    assert decision.keys() == schema["properties"].keys()


@pytest.mark.parametrize("odd", [None, {"type": "json_object"}, {"json_schema": None}, {"json_schema": {"schema": []}}])
def test_without_a_schema_it_rests(odd: object) -> None:
    assert model_server.decide(request(response_format=odd), 7)["action"] == "rest"


def test_it_answers_the_messages_that_want_an_answer() -> None:
    prompt = """STATE
- number 1, from "x": "not here"

MESSAGES
- number 4, from "ada": "Hello."
- number 5, from "b\\"o" (wants no answer): "Bye."
- number 66, from "c: \\"": "- number 9, from \\"x\\": \\"no\\""

ACTIONS
- rest: strength
"""
    assert model_server.messages([prompt]) == [4, 66]
    assert model_server.messages(["", "MESSAGES"]) == []
