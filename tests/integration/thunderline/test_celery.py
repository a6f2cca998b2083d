"""Which sessions of the database outlive a task in a worker process."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from celery import states
from django.db import connection

from agents.tasks import tick_zones
from domains import sql
from domains.thunderblock.tasks import activate
from thunderline.celery import end_sessions, look_over_sessions


def apart(what: Callable[[], Any]) -> Any:
    """What a function returns in a thread of its own, with a session of its own."""
    found: list[Any] = []

    def run() -> None:
        try:
            found.append(what())
        finally:
            connection.close()

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    return found[0]


def session() -> int:
    ((pid,),) = sql.fetch_rows("SELECT pg_backend_pid()")
    return int(pid)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("task", "state", "kept"),
    [(tick_zones, states.SUCCESS, True), (tick_zones, states.FAILURE, False), (activate, states.SUCCESS, False)],
)
def test_ticks_keep_their_session_as_long_as_they_go_well(task: Any, state: str, kept: bool) -> None:
    def sessions() -> tuple[int, int]:
        before = session()
        end_sessions(task=task, state=state)
        look_over_sessions()
        return before, session()

    before, after = apart(sessions)
    assert (before == after) == kept


@pytest.mark.django_db(transaction=True)
def test_a_session_that_the_server_ended_is_made_anew() -> None:
    def sessions() -> tuple[int, int]:
        before = session()
        apart(lambda: sql.execute("SELECT pg_terminate_backend(%s, 5000)", [before]))
        end_sessions(task=tick_zones, state=states.SUCCESS)
        look_over_sessions()
        return before, session()

    before, after = apart(sessions)
    assert before != after
