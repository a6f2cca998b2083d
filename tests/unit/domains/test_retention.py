"""What should go of pieces in order: a beginning of them, never one from the middle."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from domains.retention import Limits, Piece, overdue

START = datetime(2026, 1, 1, tzinfo=UTC)

pieces = st.lists(st.integers(1, 100), max_size=12).map(
    lambda sizes: [Piece(str(day), 1, size, START + timedelta(days=day)) for day, size in enumerate(sizes)]
)


@given(pieces, st.none() | st.integers(-1, 13), st.none() | st.integers(0, 1300), st.integers(0, 200))
def test_what_goes_is_the_least_that_keeps_the_limits(
    found: list[Piece], day: int | None, ceiling: int | None, in_use: int
) -> None:
    before = None if day is None else START + timedelta(days=day)
    size = in_use + sum(piece.bytes for piece in found)
    gone = overdue(found, before=before, max_bytes=ceiling, size=size)
    assert [piece.name for piece in gone] == [piece.name for piece in found[: len(gone)]]
    rest = found[len(gone) :]
    if rest:
        assert before is None or rest[0].newest_at > before  # type: ignore[operator]
        assert ceiling is None or size - sum(piece.bytes for piece in gone) <= ceiling
    for number, piece in enumerate(gone):
        left = size - sum(other.bytes for other in gone[:number])
        if piece.reason == "age":
            assert before is not None
            assert piece.newest_at <= before  # type: ignore[operator]
        else:
            assert ceiling is not None
            assert left > ceiling


def test_without_limits_nothing_goes() -> None:
    piece = Piece("a", 1, 10**12, START)
    assert Limits(None, None).before(START) is None
    assert overdue([piece], before=None, max_bytes=None, size=10**12) == []


def test_an_empty_piece_is_as_old_as_any() -> None:
    assert [p.reason for p in overdue([Piece("a", 0, 8, None)], before=START, max_bytes=None, size=8)] == ["age"]
