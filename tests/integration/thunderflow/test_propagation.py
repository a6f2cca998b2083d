"""What a task does belongs to what sent it: through the real broker, run as a worker runs it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest
from celery import shared_task
from celery.worker.request import Request
from django.db import transaction

from domains.origin import Origin
from domains.thunderflow import queries
from domains.thunderflow.actions import publish
from domains.thunderflow.context import Context, acting, current
from domains.thunderflow.propagation import pack, unpack
from tests.integration.thunderflow.told import told
from thunderline.celery import app

ONE, TWO = UUID(int=1), UUID(int=2)
QUEUE = f"propagation-{os.getpid()}"
seen: list[Context] = []


@shared_task(name="tests.propagation")
def note(*, fail: bool = False, again: bool = False) -> None:
    seen.append(current())
    if again:
        note.apply_async(queue=QUEUE)
    if fail:
        raise KeyError


@shared_task(name="tests.propagation_as_engine")
def note_as_engine() -> None:
    with acting(actor="engine"):
        seen.append(current())
        with transaction.atomic():
            publish(told("test:propagated", "x"))


@pytest.fixture(autouse=True)
def queue() -> Iterator[None]:
    seen.clear()
    yield
    with app.connection_for_read() as connection, connection.SimpleQueue(QUEUE) as waiting:
        waiting.clear()


def work() -> None:
    """Take one message from the broker and run it as a worker process does."""
    with app.connection_for_read() as connection, connection.SimpleQueue(QUEUE) as waiting:
        message = waiting.get(timeout=10)
        message.ack()
        request: Any = Request(message, app=app, task=app.tasks[message.headers["task"]])
        request.execute()


def test_a_task_runs_in_the_context_in_which_it_was_sent() -> None:
    with acting(actor="user:ada", correlation_id=ONE, causation_id=TWO):
        note.apply_async(queue=QUEUE)
    work()
    assert seen == [Context(ONE, TWO, "user:ada")]
    assert current() == Context()


@pytest.mark.django_db
def test_a_task_that_acts_as_somebody_keeps_cause_and_correlation() -> None:
    with acting(actor="user:ada", correlation_id=ONE, causation_id=TWO):
        note_as_engine.apply_async(queue=QUEUE)
    work()
    assert seen == [Context(ONE, TWO, "engine")]
    (event,) = queries.read_stream("test:propagated", after=0)
    assert (event.correlation_id, event.causation_id, event.actor) == (ONE, TWO, "engine")


def test_a_task_that_a_task_sends_belongs_to_the_same() -> None:
    with acting(actor="user:ada", correlation_id=ONE):
        note.apply_async(kwargs={"again": True}, queue=QUEUE)
    work()
    work()
    assert seen == [Context(ONE, None, "user:ada")] * 2


def test_what_is_sent_outside_of_any_context_carries_none() -> None:
    note.apply_async(queue=QUEUE)
    work()
    assert seen == [Context()]


@pytest.mark.filterwarnings("ignore")
def test_a_task_that_fails_leaves_its_context_too() -> None:
    with acting(actor="user:ada", correlation_id=ONE):
        note.apply_async(kwargs={"fail": True}, queue=QUEUE)
    work()
    assert seen == [Context(ONE, None, "user:ada")]
    assert current() == Context()


def test_a_task_called_in_place_is_in_the_context_of_its_caller() -> None:
    with acting(actor="user:ada", correlation_id=ONE):
        note.apply()
    assert seen == [Context(ONE, None, "user:ada")]


@pytest.mark.parametrize("origin", ["", "{", "[]", "{}", '{"door": "window"}', 7])
def test_an_origin_that_is_none_is_left_out(origin: Any) -> None:
    headers = {**pack(Context(ONE)), "thunderline_origin": origin}
    assert (unpack(headers) or {})["origin"] is None


def test_a_task_comes_through_the_door_of_who_sent_it() -> None:
    here = Origin("page", "192.0.2.7", TWO, "", "POST /agents/1/wake/")
    with acting(actor="user:ada", correlation_id=ONE, origin=here):
        note.apply_async(queue=QUEUE)
    work()
    assert seen == [Context(ONE, None, "user:ada", here)]
    assert current() == Context()


def test_headers_that_are_no_uuids_are_left_out() -> None:
    headers: dict[str, Any] = pack(Context(ONE, TWO, "user:ada"))
    assert unpack(headers) == {"correlation_id": ONE, "causation_id": TWO, "actor": "user:ada", "origin": None}
    assert unpack({**headers, "thunderline_causation_id": "'; DROP", "thunderline_actor": 7}) == {
        "correlation_id": ONE, "causation_id": None, "actor": None, "origin": None,
    }  # fmt: skip
    assert unpack({**headers, "thunderline_correlation_id": "x"}) is None
