"""The limit of `bench minds`: the same calls by a bare HTTP client that does nothing with the answers.

python -m thunderline.bench.bare_client URL CALLERS SECONDS < request.json     prints calls, seconds, seconds of CPU
"""

from __future__ import annotations

import asyncio
import sys
import time

import aiohttp


async def main(url: str, callers: int, seconds: float, body: bytes) -> str:
    """Keep `callers` calls under way for so long."""
    count, end, started = 0, time.perf_counter() + seconds, time.perf_counter()

    async def call(session: aiohttp.ClientSession) -> None:
        nonlocal count
        while time.perf_counter() < end:
            async with session.post(url, data=body, headers={"content-type": "application/json"}) as response:
                await response.read()
            count += 1

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        await asyncio.gather(*(call(session) for _ in range(callers)))
    return f"{count} {time.perf_counter() - started} {time.process_time()}"


if __name__ == "__main__":
    words = sys.argv[1:]
    print(asyncio.run(main(words[0], int(words[1]), float(words[2]), sys.stdin.buffer.read())))  # noqa: T201
