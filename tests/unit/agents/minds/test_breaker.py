"""The circuit breaker, whatever happens in whatever order."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from agents.minds.breaker import FAILURES, LONGEST_REST_S, REST_S, Breaker

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
rests = st.floats(0, 600)
steps = st.lists(
    st.tuples(st.sampled_from(["ok", "failed", "asked to wait"]), rests, st.floats(0, 1000)), max_size=60
)  # fmt: skip


def later(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def failed(times: int, now: datetime = NOW) -> Breaker:
    breaker = Breaker()
    for _ in range(times):
        breaker = breaker.failed(now)
    return breaker


def rest_of(breaker: Breaker, now: datetime = NOW) -> float:
    return (breaker.open_until - now).total_seconds() if breaker.open_until else 0.0


def after(happened: list[tuple[str, float, float]]) -> tuple[Breaker, datetime]:
    breaker, now = Breaker(), NOW
    for what, rest_s, passed in happened:
        now += timedelta(seconds=passed)
        if what == "ok":
            breaker = breaker.succeeded()
        elif what == "failed":
            breaker = breaker.failed(now, rest_s=rest_s)
        else:
            breaker = breaker.asked_to_wait(now, rest_s)
    return breaker, now


def test_a_new_one_is_closed() -> None:
    assert Breaker().closed(NOW)
    assert not Breaker().resting(NOW)


def test_it_opens_with_the_last_failure_that_it_bears() -> None:
    assert failed(FAILURES - 1).closed(NOW)
    opened = failed(FAILURES)
    assert opened.resting(NOW)
    assert not opened.closed(NOW)
    assert rest_of(opened) == REST_S


def test_a_success_in_between_starts_the_count_anew() -> None:
    assert failed(FAILURES - 1).succeeded().failed(NOW).closed(NOW)


def test_after_the_rest_it_is_half_open() -> None:
    opened = failed(FAILURES)
    assert opened.resting(later(REST_S - 0.001))
    assert not opened.resting(later(REST_S))
    assert not opened.closed(later(REST_S)), "one call may be tried, not all"


def test_a_trial_that_succeeds_closes_it() -> None:
    assert failed(FAILURES).succeeded().closed(NOW)


def test_each_trial_that_fails_doubles_the_rest() -> None:
    breaker, now, seen = failed(FAILURES), NOW, []
    for _ in range(12):
        seen.append(rest_of(breaker, now))
        assert breaker.open_until
        now = breaker.open_until
        breaker = breaker.failed(now)
    assert seen[:7] == [5, 10, 20, 40, 80, 160, 300]
    assert set(seen[7:]) == {LONGEST_REST_S}


def test_many_calls_that_fail_at_once_are_one_hiccup() -> None:
    """A hundred calls may be in flight when a connection breaks."""
    assert rest_of(failed(100)) == REST_S
    assert failed(100).failures == FAILURES


def test_what_it_asks_for_is_granted_if_it_is_longer() -> None:
    assert rest_of(Breaker().failed(NOW, rest_s=60)) == 60
    assert rest_of(failed(FAILURES).failed(NOW, rest_s=60)) == 60
    assert rest_of(failed(FAILURES).failed(NOW, rest_s=1)) == REST_S


def test_to_be_asked_to_wait_is_no_failure() -> None:
    waiting = Breaker().asked_to_wait(NOW, 3)
    assert waiting.failures == 0
    assert waiting.resting(later(2.9))
    assert waiting.closed(later(3))


def test_a_shorter_wait_does_not_end_a_longer_one() -> None:
    assert rest_of(Breaker().asked_to_wait(NOW, 30).asked_to_wait(NOW, 1)) == 30


def test_others_that_come_through_do_not_end_the_wait() -> None:
    """They were on their way already; the endpoint asked for a rest all the same."""
    assert Breaker().asked_to_wait(NOW, 30).succeeded().resting(later(29))


def test_not_to_be_asked_to_wait_changes_nothing() -> None:
    assert Breaker().asked_to_wait(NOW, 0) == Breaker()


@given(steps)
def test_it_never_rests_longer_than_was_asked_for_or_is_allowed(happened: list[tuple[str, float, float]]) -> None:
    breaker, now = after(happened)
    longest = max([LONGEST_REST_S, *(rest_s for _, rest_s, _ in happened)])
    assert not breaker.resting(now + timedelta(seconds=longest))


@given(steps)
def test_a_success_after_every_rest_heals_it(happened: list[tuple[str, float, float]]) -> None:
    breaker, now = after(happened)
    assert breaker.succeeded().closed(now + timedelta(seconds=1000))


@given(steps)
def test_it_is_never_closed_and_resting_at_once(happened: list[tuple[str, float, float]]) -> None:
    breaker, now = after(happened)
    assert not (breaker.closed(now) and breaker.resting(now))


@given(steps, rests)
def test_bad_news_never_shorten_a_rest(happened: list[tuple[str, float, float]], rest_s: float) -> None:
    breaker, now = after(happened)
    for worse in (breaker.failed(now, rest_s=rest_s), breaker.asked_to_wait(now, rest_s)):
        assert worse.failures >= breaker.failures
        if breaker.open_until:
            assert worse.open_until
            assert worse.open_until >= breaker.open_until


@given(steps)
def test_what_is_written_fits_its_column(happened: list[tuple[str, float, float]]) -> None:
    assert 0 <= after(happened)[0].failures <= 1000
