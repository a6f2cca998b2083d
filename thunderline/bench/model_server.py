"""A model that costs nothing: a real HTTP server that speaks the chat completions API and always decides well.

For benchmarks (`python -m thunderline.bench.model_server --delay-ms 200`) and, with worse manners, for tests
(`tests/model_server.py`). It listens on this machine only and needs nothing of Django.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import re
import signal
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from aiohttp import web

PATH = "/v1/chat/completions"
# Without arguments it would be refused.
_NEEDS_ARGUMENTS = "use_tool"
# What can always be done, however long a world is left to itself.
_USUAL = "reflect"
_MESSAGE = re.compile(r'^- number (\d+), from "(?:[^"\\]|\\.)*"(?P<unanswerable> \(wants no answer\))?: ', re.M)
# Everything about an answer that is the same each time, encoded once. In the gap goes the content, a JSON string.
_BEFORE = (
    b'{"id":"chatcmpl-bench","object":"chat.completion","created":1750000000,"model":"bench","choices":'
    b'[{"index":0,"finish_reason":"stop","message":{"role":"assistant","content":'
)
_AFTER = b'}}],"usage":{"prompt_tokens":600,"completion_tokens":60,"total_tokens":660}}'


def decide(request: Mapping[str, Any], number: int) -> dict[str, Any]:
    """A decision among the actions that a request's schema offers, else to rest; with an answer to each message.

    `number` makes what is remembered differ from call to call.
    """
    properties = _properties(request)
    actions = properties.get("action", {}).get("enum") or ["rest"]
    decision: dict[str, Any] = {
        "reasoning": "It seems the best thing to do now.",
        "action": _USUAL if _USUAL in actions else next((a for a in actions if a != _NEEDS_ARGUMENTS), actions[0]),
        "arguments": {},
        "confidence": 0.8,
        "expected": "a good day",
        "remember": f"Thought number {number} came to me.",
    }
    if "replies" in properties:
        texts = [str(message.get("content")) for message in request.get("messages", ())]
        decision["replies"] = [{"to": to, "text": f"I have read your number {to}."} for to in messages(texts)]
    if "narrative" in properties:
        decision["narrative"] = f"A thought, the {number}th, came and stayed."
    return decision


def messages(texts: Sequence[str]) -> list[int]:
    """Numbers of the messages in prompts that want an answer."""
    sections = [text.partition("\nMESSAGES\n")[2] for text in texts]
    return [int(found[1]) for text in sections for found in _MESSAGE.finditer(text) if not found["unanswerable"]]


def completion(content: str) -> bytes:
    """The body of an answer with this content, which must be encodable."""
    return b"".join((_BEFORE, orjson.dumps(content), _AFTER))


def _properties(request: Mapping[str, Any]) -> Mapping[str, Any]:
    wanted: Any = request
    for key in ("response_format", "json_schema", "schema", "properties"):
        wanted = wanted.get(key) if isinstance(wanted, Mapping) else None
    return wanted if isinstance(wanted, Mapping) else {}


def serve(port: int = 0, delay_s: float = 0.0) -> None:
    """Answer until SIGTERM or SIGINT. Writes the port to stdout when it listens; 0 takes a free one."""
    asyncio.run(_serve(port, delay_s))


async def _serve(port: int, delay_s: float) -> None:
    stop = asyncio.Event()
    for signum in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(signum, stop.set)
    runner = web.ServerRunner(web.Server(_handler(delay_s), access_log=None), shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", port, backlog=1024).start()
        sys.stdout.write(f"{runner.addresses[0][1]}\n")
        sys.stdout.flush()
        await stop.wait()
    finally:
        await runner.cleanup()


def _handler(delay_s: float) -> Any:
    numbers = itertools.count(1)

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        if request.method != "POST" or request.path != PATH:
            return web.Response(status=404)
        body = orjson.loads(await request.read())
        if delay_s:
            await asyncio.sleep(delay_s)
        content = orjson.dumps(decide(body, next(numbers))).decode()
        return web.Response(body=completion(content), content_type="application/json")

    return answer


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, default=0, help="0: a free one, which is printed")
    parser.add_argument("--delay-ms", type=float, default=0.0, help="how long each answer takes")
    options = parser.parse_args()
    serve(options.port, options.delay_ms / 1000)


if __name__ == "__main__":
    main()
