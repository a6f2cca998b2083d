"""Whatever fails how often: each event takes effect once, in the order of its stream, or is a dead letter."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import pytest
from django.db import connection
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domains.thunderflow.faults import RetryPolicy
from domains.thunderflow.models import Cursor, DeadLetter, ParkedStream, Subscription
from domains.thunderflow.queries import StoredEvent
from tests.integration.thunderflow.following import Effects, follow, letters, settle, tell
from tests.integration.thunderflow.told import told

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("commits")]

TRIES = 3
events = st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from([0, 0, 0, 1, 2, 3, 9])), min_size=1, max_size=25)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(events, st.integers(1, 9))
def test_once_and_in_order_or_dead(plan: Sequence[tuple[str, int]], batch: int) -> None:
    empty()
    effects, failed = Effects(), Counter[str]()
    failures = {f"{stream}{n}": often for n, (stream, often) in enumerate(plan)}

    def fail(event: StoredEvent) -> Exception | None:
        what = event.payload["what"]
        # Within a batch nobody knows who it was: only tries of its own count.
        if len(effects.calls[-1]) > 1:
            return RuntimeError(what) if failures[what] > failed[what] else None
        failed[what] += 1
        return RuntimeError(what) if failures[what] >= failed[what] else None

    effects.fails = fail
    shard = follow(effects, batch=batch, retry=RetryPolicy(attempts=TRIES, base_s=0.001, cap_s=0.002))
    tell(*(told(stream, f"{stream}{n}") for n, (stream, _) in enumerate(plan)))
    settle(shard)
    dead = {letter.event["payload"]["what"] for letter in letters()}
    for name in "abc":
        whole = [f"{stream}{n}" for n, (stream, _) in enumerate(plan) if stream == name]
        assert effects.rows(name) == [what for what in whole if what not in dead]
    assert dead <= {what for what, often in failures.items() if often}
    assert {what for what, often in failures.items() if often >= TRIES} <= dead
    assert Cursor.objects.get().handled == len(plan) - len(dead)


def empty() -> None:
    ParkedStream.objects.all().delete()
    DeadLetter.objects.all().delete()
    Subscription.objects.all().delete()
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE IF EXISTS effects")
        cursor.execute("TRUNCATE events, event_streams")
