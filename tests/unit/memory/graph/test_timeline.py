"""At no moment two facts, whatever is learned in whatever order."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

from hypothesis import given
from hypothesis import strategies as st

from memory.graph import timeline
from memory.graph.timeline import Span

START = datetime(2026, 1, 1, tzinfo=UTC)


def day(number: int) -> datetime:
    return START + timedelta(days=number)


def span(value: str, begins: int, ends: int | None = None) -> Span:
    return Span(uuid4(), value, day(begins), None if ends is None else day(ends))


def value_at(spans: list[Span], number: int) -> str | None:
    found = [one.value for one in spans if one.holds(day(number))]
    assert len(found) <= 1
    return found[0] if found else None


def learn(*given_spans: Span) -> list[Span]:
    spans: list[Span] = []
    for one in given_spans:
        timeline.add(spans, one)
    return spans


def test_the_newer_closes_the_older() -> None:
    rome, paris = span("Rome", 1), span("Paris", 5)
    spans = [rome]
    said, contradiction = timeline.add(spans, paris)
    assert said is paris
    assert contradiction is not None
    assert (contradiction.newer, contradiction.older) == (paris, rome)
    assert (rome.valid_to, paris.valid_to) == (day(5), None)
    assert (rome.changed, paris.fresh) == (True, True)


def test_what_is_learned_late_ends_where_the_next_begins() -> None:
    spans = learn(span("Rome", 1), span("Paris", 9), span("Oslo", 5))
    assert [(one.value, one.valid_to) for one in spans] == [("Rome", day(5)), ("Oslo", day(9)), ("Paris", None)]


def test_the_same_again_is_no_new_fact() -> None:
    rome = span("Rome", 1)
    spans = [rome]
    assert timeline.add(spans, span("Rome", 3)) == (rome, None)
    assert spans == [rome]
    assert not rome.changed


def test_what_was_over_ended_before_and_is_contradicted_by_nobody() -> None:
    rome = span("Rome", 1, 3)
    spans = [rome]
    assert timeline.add(spans, span("Paris", 3))[1] is None
    assert rome.valid_to == day(3)


def test_at_the_same_instant_the_later_told_holds() -> None:
    spans = learn(span("Rome", 1), span("Paris", 1))
    assert value_at(spans, 1) == "Paris"
    assert value_at(spans, 5) == "Paris"


spans_given = st.lists(
    st.builds(
        lambda value, begins, lasts: span(value, begins, None if lasts is None else begins + lasts),
        st.sampled_from("abc"), st.integers(0, 8), st.none() | st.integers(1, 5),
    ),
    max_size=10,
)  # fmt: skip


@given(spans_given)
def test_at_no_moment_two_facts(given_spans: list[Span]) -> None:
    spans = learn(*given_spans)
    assert timeline.sound(spans)
    assert spans == sorted(spans, key=lambda one: one.valid_from)
    assert sum(one.valid_to is None for one in spans) <= 1
    assert all(one.valid_to is None or one.valid_to >= one.valid_from for one in spans)
    for number in range(14):
        value_at(spans, number)


@given(st.lists(st.integers(0, 100), min_size=1, max_size=8, unique=True))
def test_what_holds_does_not_depend_on_the_order_of_learning(days: list[int]) -> None:
    """Of facts without an end, all different: at each moment, the latest that began."""
    spans, ordered = learn(*(span(str(at), at) for at in days)), sorted(days)
    for number in range(0, 101):
        began = [at for at in ordered if at <= number]
        assert value_at(spans, number) == (str(began[-1]) if began else None)
