from datetime import UTC, datetime, timedelta, timezone

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from memory.recall import dates
from memory.recall.dates import Span

NOW = datetime(2024, 3, 13, 15, 30, tzinfo=UTC)  # a Wednesday

TOKENS = [
    "may",
    "june",
    "summer",
    "ago",
    "last",
    "2023-02-30",
    "1",
    "31st",
    "1999",
    "week",
    "years",
    "two",
    "in",
    "of,",
]


def on(first: str, last: str = "") -> Span:
    """From one day to before another, or one day."""
    start = datetime.fromisoformat(first).replace(tzinfo=UTC)
    return Span(start, datetime.fromisoformat(last).replace(tzinfo=UTC) if last else start + timedelta(days=1))


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("What was on 2023-05-07?", on("2023-05-07")),
        ("What did Ann say on 7 May 2023?", on("2023-05-07")),
        ("… on the 7th of May, 2023", on("2023-05-07")),
        ("… on May 7, 2023", on("2023-05-07")),
        ("… on Sept. 1st", on("2023-09-01")),
        ("… on March 14", on("2023-03-14")),
        ("… on March 13", on("2024-03-13")),
        ("… on 29 February", on("2024-02-29")),
        ("… in May 2023", on("2023-05-01", "2023-06-01")),
        ("… in December, 2022", on("2022-12-01", "2023-01-01")),
        ("What did Ann say in May?", on("2023-05-01", "2023-06-01")),
        ("… in late February?", on("2024-02-01", "2024-03-01")),
        ("… during 2022", on("2022-01-01", "2023-01-01")),
        ("… in the summer", on("2023-06-01", "2023-09-01")),
        ("… last winter", on("2023-12-01", "2024-03-01")),
        ("… fall of 2021", on("2021-09-01", "2021-12-01")),
        ("… yesterday", on("2024-03-12")),
        ("… today", on("2024-03-13")),
        ("… this week", on("2024-03-11", "2024-03-18")),
        ("… last week", on("2024-03-04", "2024-03-11")),
        ("… last weekend", on("2024-03-09", "2024-03-11")),
        ("… last month", on("2024-02-01", "2024-03-01")),
        ("… this year", on("2024-01-01", "2025-01-01")),
        ("… last year", on("2023-01-01", "2024-01-01")),
        ("… last Monday", on("2024-03-11")),
        ("… last Wednesday", on("2024-03-06")),
        ("… two weeks ago", on("2024-02-25", "2024-03-03")),
        ("… 1 day ago", on("2024-03-12")),
        ("… a couple of months ago", on("2023-12-29", "2024-01-29")),
    ],
)
def test_one_span(text: str, span: Span) -> None:
    assert dates.spans(text, now=NOW) == [span]


@pytest.mark.parametrize("text", ["May I march in?", "31 February 2023", "9999 years ago", "Room 2023", "", "in 1066"])
def test_no_span(text: str) -> None:
    assert dates.spans(text, now=NOW) == []


def test_several_in_order() -> None:
    found = dates.spans("between June 2023 and 3 May 2022, and in 2021", now=NOW)
    assert found == [on("2023-06-01", "2023-07-01"), on("2022-05-03"), on("2021-01-01", "2022-01-01")]


def test_days_are_those_of_the_zone_of_now() -> None:
    zone = timezone(timedelta(hours=-5))
    (span,) = dates.spans("on 7 May 2023", now=NOW.astimezone(zone))
    assert span.start.astimezone(UTC).isoformat() == "2023-05-07T05:00:00+00:00"


def test_nearness_halves_in_two_weeks() -> None:
    may = on("2023-05-01", "2023-06-01")
    at = np.array([may.start.timestamp(), may.end.timestamp() + 14 * 86_400, may.start.timestamp() - 28 * 86_400])
    assert dates.nearness(at, [may]) == pytest.approx([1, 0.25, 0.125])
    assert dates.nearness(at, []).tolist() == [0, 0, 0]
    assert dates.nearness(at, [may, on("2023-04-03")]) == pytest.approx([1, 0.25, 1])


@given(st.lists(st.sampled_from(TOKENS)).map(" ".join))
def test_any_text_can_be_read(text: str) -> None:
    assert all(span.start < span.end for span in dates.spans(text, now=NOW))


@given(st.datetimes(datetime(1970, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)))
def test_the_month_that_is_named_has_begun(now: datetime) -> None:
    for text in ("in January", "in August", "in December", "in spring", "in winter", "on 29 February", "on March 1"):
        (span,) = dates.spans(text, now=now)
        assert span.start <= now
