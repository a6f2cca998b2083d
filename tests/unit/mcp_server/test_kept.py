"""What is kept of broken streams, and for how long."""

from __future__ import annotations

from typing import Any

import pytest
from mcp.server.streamable_http import EventStore
from mcp.types import JSONRPCNotification

from mcp_server.kept import Kept


def note(text: str) -> Any:
    return JSONRPCNotification(jsonrpc="2.0", method="notifications/message", params={"text": text})


async def replayed(kept: EventStore, after: str) -> tuple[str | None, list[str]]:
    found: list[str] = []

    async def take(event: Any) -> None:
        found.append(event.message.params["text"])

    return await kept.replay_events_after(after, take), found


async def test_only_what_came_later_in_the_same_stream() -> None:
    kept = Kept().of_session()
    first = await kept.store_event("a", None)
    await kept.store_event("b", note("other"))
    second = await kept.store_event("a", note("one"))
    await kept.store_event("a", note("two"))
    assert await replayed(kept, first) == ("a", ["one", "two"])
    assert await replayed(kept, second) == ("a", ["two"])


async def test_no_session_gets_what_another_one_got() -> None:
    kept = Kept()
    mine, other = kept.of_session(), kept.of_session()
    first = await mine.store_event("1", None)
    await mine.store_event("1", note("mine"))
    theirs = await other.store_event("1", None)
    await other.store_event("1", note("theirs"))
    assert await replayed(mine, first) == ("1", ["mine"])
    assert await replayed(mine, theirs) == (None, [])
    assert await replayed(other, first) == (None, [])


@pytest.mark.parametrize("strange", ["", "7", "-1", "x", "9" * 40, "²"])
async def test_a_place_that_is_not_kept(strange: str) -> None:
    kept = Kept().of_session()
    await kept.store_event("a", note("one"))
    assert await replayed(kept, strange) == (None, [])


async def test_the_oldest_go_first() -> None:
    kept = Kept(most=2).of_session()
    ids = [await kept.store_event("a", note(str(i))) for i in range(4)]
    assert await replayed(kept, ids[0]) == (None, [])
    assert await replayed(kept, ids[2]) == ("a", ["3"])
    small = Kept(most_bytes=1).of_session()
    ids = [await small.store_event("a", note("x" * 500)) for _ in range(3)]
    assert await replayed(small, ids[1]) == (None, [])
    assert await replayed(small, ids[2]) == ("a", [])
