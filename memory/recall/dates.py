"""Spans of time that an English question names, and how near to them something was said.

Known: 2023-05-07; 7 May 2023, May 7th(, 2023); May 2023, in May; in 2023; spring 2023, last summer, in winter;
yesterday, today; this or last week, weekend, month, year; last Monday; two weeks ago. What lacks a year is the last one
that had begun by `now`. Seasons are those of the north; weeks begin on Monday. Days are those of the zone of `now`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import numpy.typing as npt

# People tell of a thing days or weeks after it happened.
HALF_LIFE_DAYS = 14.0
OUTSIDE = 0.5
_DAY_S = 86_400.0


@dataclass(frozen=True, slots=True)
class Span:
    """From `start` to before `end`."""

    start: datetime
    end: datetime


# Not the names of the calendar module: those follow the locale.
_NAMES = "january february march april may june july august september october november december"
_MONTHS = {name: number for number, name in enumerate(_NAMES.split(), 1)}
_MONTHS |= {name[:3]: number for name, number in _MONTHS.items()} | {"sept": 9}
_SEASONS = {"spring": 3, "summer": 6, "autumn": 9, "fall": 9, "winter": 12}
_DAYS = "monday tuesday wednesday thursday friday saturday sunday"
_WEEKDAYS = {name: number for number, name in enumerate(_DAYS.split())}
_COUNTS = {"a": 1, "an": 1, "one": 1, "two": 2, "couple": 2, "three": 3, "few": 3, "four": 4, "five": 5, "six": 6}
_COUNTS |= {"seven": 7, "eight": 8, "nine": 9, "ten": 10, "eleven": 11, "twelve": 12}

_MONTH = "|".join(sorted(_MONTHS, key=len, reverse=True))
_SEASON = "|".join(_SEASONS)
_WEEKDAY = "|".join(_WEEKDAYS)
_COUNT = "|".join(_COUNTS)
_BEFORE = r"(?:in|during|of|since|last|this|by|until|around)(?: early| late| mid)?[ -]"
_YEAR = r"(?P<y>(?:19|20)\d\d)"
_DAY = r"(?P<d>[0-3]?\d)(?:st|nd|rd|th)?"


def spans(text: str, *, now: datetime) -> list[Span]:
    """The spans that a text names, in order. `now` has a time zone."""
    found: list[tuple[int, Span]] = []
    rest = text.lower()
    for pattern, read in _READERS:
        for match in pattern.finditer(rest):
            found += [(match.start(), span) for span in read(match, now)]
        # What is read is not read again: "May 2023" is no "in 2023".
        rest = pattern.sub(lambda read_already: "\0" * len(read_already[0]), rest)
    return [span for _, span in sorted(found, key=lambda place: place[0])]


def nearness(at: npt.NDArray[np.float64], wanted: Sequence[Span]) -> npt.NDArray[np.float64]:
    """`[memories]`, 0 to 1: 1 inside a span, outside half at most, and half of that for each two weeks.

    `at` in seconds.
    """
    found = np.zeros(len(at))
    for span in wanted:
        outside = np.maximum(np.maximum(span.start.timestamp() - at, at - span.end.timestamp()), 0)
        found = np.maximum(found, np.where(outside > 0, OUTSIDE * halved(outside, HALF_LIFE_DAYS), 1))
    return found


def halved(seconds: npt.NDArray[np.float64], half_life_days: float) -> npt.NDArray[np.float64]:
    """1 at 0 seconds, half for each half-life. Not below 2⁻⁶⁰: numbers near the smallest are slow to compute."""
    found: npt.NDArray[np.float64] = np.exp2(-np.minimum(seconds / (half_life_days * _DAY_S), 60))
    return found


Reader = Callable[[re.Match[str], datetime], Iterator[Span]]


def _day(match: re.Match[str], now: datetime) -> Iterator[Span]:
    month = _number(match["m"])
    for year in _years(match["y"], now):
        start = _midnight(now, year, month, int(match["d"]))
        if start is not None and (match["y"] or start <= now):
            yield Span(start, start + timedelta(days=1))
            return


def _month(match: re.Match[str], now: datetime) -> Iterator[Span]:
    yield _months(now, match["y"], _number(match["m"]), 1)


def _season(match: re.Match[str], now: datetime) -> Iterator[Span]:
    yield _months(now, match["y"], _SEASONS[match["s"]], 3)


def _year(match: re.Match[str], now: datetime) -> Iterator[Span]:
    year = int(match["y"])
    yield Span(_first(now, year, 1), _first(now, year + 1, 1))


def _relative(match: re.Match[str], now: datetime) -> Iterator[Span]:
    today = now.replace(hour=0, minute=0, second=0, microsecond=0)
    back = match["r"] == "last"
    unit = match["u"]
    if unit in _WEEKDAYS:
        start = today - timedelta(days=(today.weekday() - _WEEKDAYS[unit] - 1) % 7 + 1)
        yield Span(start, start + timedelta(days=1))
    elif unit in ("week", "weekend"):
        start = today - timedelta(days=today.weekday() + 7 * back)
        yield Span(start + timedelta(days=5 * (unit == "weekend")), start + timedelta(days=7))
    elif unit == "month":
        yield Span(_first(now, now.year, now.month - back), _first(now, now.year, now.month - back + 1))
    else:
        yield Span(_first(now, now.year - back, 1), _first(now, now.year - back + 1, 1))


def _ago(match: re.Match[str], now: datetime) -> Iterator[Span]:
    many = int(match["n"]) if match["n"].isdigit() else _COUNTS[match["n"]]
    days = {"day": 1, "week": 7, "month": 30, "year": 365}[match["u"]]
    # "Two months ago" is as exact as half a month.
    if many * days < 36_500:
        yield _around(now - timedelta(days=many * days), days)


def _near_day(match: re.Match[str], now: datetime) -> Iterator[Span]:
    yield _around(now - timedelta(days=match[0] == "yesterday"), 1)


_READERS: list[tuple[re.Pattern[str], Reader]] = [
    (re.compile(rf"\b{_YEAR}-(?P<m>\d\d)-(?P<d>\d\d)\b"), _day),
    (re.compile(rf"\b{_DAY}(?: of)? (?P<m>{_MONTH})\b\.?(?:,? {_YEAR}\b)?"), _day),
    (re.compile(rf"\b(?P<m>{_MONTH})\.? {_DAY}\b(?:,? {_YEAR}\b)?"), _day),
    # "May" and "March" are words as well: without a year they need one before them that tells.
    (re.compile(rf"\b(?P<m>{_MONTH})\.?,?(?: of)? {_YEAR}\b"), _month),
    (re.compile(rf"\b{_BEFORE}(?P<m>{_MONTH})\b(?P<y>)"), _month),
    (re.compile(rf"\b(?P<s>{_SEASON})(?: of)? {_YEAR}\b"), _season),
    (re.compile(rf"\b(?:in|during|over|last|this)(?: the)? (?P<s>{_SEASON})\b(?P<y>)"), _season),
    (re.compile(rf"\b{_BEFORE}{_YEAR}\b"), _year),
    (re.compile(rf"\b(?P<r>last|this) (?P<u>weekend|week|month|year|{_WEEKDAY})\b"), _relative),
    (re.compile(rf"\b(?P<n>\d{{1,4}}|{_COUNT})(?: of)? (?P<u>day|week|month|year)s? ago\b"), _ago),
    (re.compile(r"\b(?:yesterday|today)\b"), _near_day),
]  # fmt: skip


def _months(now: datetime, year: str | None, first: int, many: int) -> Span:
    """So many months from a first one, of that year or of the last year in which it had begun."""
    start = _first(now, int(year) if year else now.year, first)
    if not year and start > now:
        start = _first(now, now.year - 1, first)
    return Span(start, _first(now, start.year, first + many))


def _years(given: str | None, now: datetime) -> list[int]:
    """The year that is given, else those that may be meant, latest first: a leap day is up to eight years back."""
    return [int(given)] if given else list(range(now.year, now.year - 9, -1))


def _number(month: str) -> int:
    return int(month) if month.isdigit() else _MONTHS[month]


def _first(now: datetime, year: int, month: int) -> datetime:
    """The first of a month, in the zone of `now`; month 13 is the next January, 0 the last December."""
    more, month = divmod(month - 1, 12)
    return datetime(year + more, month + 1, 1, tzinfo=now.tzinfo)


def _midnight(now: datetime, year: int, month: int, day: int) -> datetime | None:
    try:
        return datetime(year, month, day, tzinfo=now.tzinfo)
    except ValueError:
        return None


def _around(instant: datetime, days: int) -> Span:
    """The day of the instant, and half of `days` on both sides of it."""
    start = instant.replace(hour=0, minute=0, second=0, microsecond=0)
    return Span(start - timedelta(days=days // 2), start + timedelta(days=days // 2 + 1))
