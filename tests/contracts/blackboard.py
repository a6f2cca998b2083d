"""What every blackboard keeps to. Subclass `BlackboardContract` in a test module and give it a board as a fixture.

Keys that a test uses begin with a word of its own, so that a board may be used by many.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from datetime import datetime
from functools import partial
from itertools import count
from typing import Any, Protocol

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domains.thunderflow.patterns import BadPattern, matches


class Lying(Protocol):
    """An entry."""

    @property
    def key(self) -> str: ...
    @property
    def value(self) -> Any: ...
    @property
    def version(self) -> int: ...
    @property
    def author(self) -> str: ...
    @property
    def expires_at(self) -> datetime | None: ...


class Blackboard(Protocol):
    """A board. What it refuses, it refuses by an exception with a `code`."""

    def put(self, key: str, value: Any, *, by: str, expect: int | None = None, ttl_s: float | None = None) -> Lying: ...

    def put_many(self, items: Sequence[tuple[str, Any]], *, by: str) -> list[Lying]: ...

    def get(self, key: str) -> Lying | None: ...

    def delete(self, key: str, *, by: str, expect: int | None = None) -> int:
        """Returns the version of the deletion."""
        ...

    def query(self, pattern: str, *, limit: int = 100, after: str = "") -> list[Lying]: ...

    def sweep(self) -> int:
        """Take away what has outlived its time. Returns how many entries."""
        ...

    def own(self, namespace: str, *, by: str, writers: str) -> None:
        """Make a namespace, or change who may write in it: `everybody` or `owner`."""
        ...

    def changes(self, namespace: str) -> list[tuple[str, str, int, str]]:
        """What has been told of it, in order: (key, `put` | `deleted` | `expired`, version, who did it)."""
        ...


BY = "user:ada"
_numbers = count()

words = st.sampled_from(["a", "b", "ab", "a-b", "status", "x_1", "é"])
tails = st.lists(words, min_size=1, max_size=4).map(".".join)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.text(st.characters(codec="ascii", exclude_characters="\0"), max_size=5), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip
deeds = st.lists(
    st.tuples(st.sampled_from(["put", "put", "expect", "new", "wrong", "delete"]), st.sampled_from(["k", "k.l", "m"])),
    max_size=25,
)
patterns = st.lists(words | st.sampled_from(["*", "**"]), min_size=1, max_size=5).map(".".join)
examples = settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])


def namespace() -> str:
    """One that no other test has used."""
    return f"contract{next(_numbers)}-{time.time_ns()}"


class BlackboardContract:
    """Tests shared by all boards."""

    @pytest.fixture
    def board(self) -> Blackboard:
        raise NotImplementedError

    # --- Putting and getting ---------------------------------------------------------------------------------

    @examples
    @given(value=values)
    def test_what_was_put_is_got(self, board: Blackboard, value: Any) -> None:
        key = f"{namespace()}.x"
        put = board.put(key, value, by=BY)
        got = board.get(key)
        assert got == put
        assert (got.key, got.value, got.author, got.expires_at) == (key, value, BY, None)

    def test_what_was_not_put_is_not_there(self, board: Blackboard) -> None:
        assert board.get(f"{namespace()}.x") is None

    @pytest.mark.parametrize(
        "key", ["", ".", "a.", ".a", "a..b", "*", "a.*", "a.**", "a b", "a.B", "a\n", "a/b", "k" * 501, "a\0"]
    )
    def test_a_key_that_is_none_is_refused(self, board: Blackboard, key: str) -> None:
        for call in (lambda: board.put(key, 1, by=BY), lambda: board.get(key), lambda: board.delete(key, by=BY)):
            assert code(call) == "bad_key"

    def test_the_longest_key(self, board: Blackboard) -> None:
        key = f"{namespace()}.".ljust(500, "ü")
        board.put(key, 1, by=BY)
        assert [e.key for e in board.query(f"**.{key.partition('.')[2]}")] == [key]

    @pytest.mark.parametrize(
        "value", [float("nan"), [float("inf")], {1: 2}, object(), {1, 2}, b"x", "\0", {"a": ["\\\0"]}, 1 << 70]
    )
    def test_a_value_that_is_not_json_is_refused(self, board: Blackboard, value: Any) -> None:
        key = f"{namespace()}.x"
        assert code(lambda: board.put(key, value, by=BY)) == "bad_value"
        assert board.get(key) is None

    def test_a_value_has_at_most_64_kb(self, board: Blackboard) -> None:
        key, most = f"{namespace()}.x", "x" * (64 * 1024 - 2)
        assert len(orjson.dumps(most)) == 64 * 1024
        board.put(key, most, by=BY)
        assert code(lambda: board.put(key, most + "x", by=BY)) == "bad_value"

    def test_a_nul_that_is_only_spelt_is_text(self, board: Blackboard) -> None:
        key = f"{namespace()}.x"
        board.put(key, "\\u0000", by=BY)
        assert board.get(key).value == "\\u0000"  # type: ignore[union-attr]

    def test_many_are_put_in_order_or_not_at_all(self, board: Blackboard) -> None:
        name = namespace()
        put = board.put_many([(f"{name}.x", 1), (f"{name}.y", 2), (f"{name}.x", 3)], by=BY)
        assert [e.value for e in put] == [1, 2, 3]
        assert sorted({e.version for e in put}) == [e.version for e in put]
        assert [e.value for e in board.query(f"{name}.**")] == [3, 2]
        assert code(lambda: board.put_many([(f"{name}.x", 4), (f"{name}.*", 5)], by=BY)) == "bad_key"
        assert board.get(f"{name}.x").value == 3  # type: ignore[union-attr]

    # --- Versions --------------------------------------------------------------------------------------------

    @examples
    @given(deeds=deeds)
    def test_versions_only_grow(self, board: Blackboard, deeds: list[tuple[str, str]]) -> None:
        """Over puts, refusals, deletions and making anew; compared with a dict."""
        name, last, truth = namespace(), 0, dict[str, int]()
        for n, (deed, tail) in enumerate(deeds):
            key, there = f"{name}.{tail}", truth.get(tail)
            expect = {"expect": there or 0, "new": 0, "wrong": last + 7}.get(deed)
            refused = expect is not None and expect != (there or 0)
            if deed == "delete" and there is None:
                assert code(partial(board.delete, key, by=BY)) == "entry_not_found"
            elif refused:
                assert code(partial(board.put, key, 0, by=BY, expect=expect)) == "version_conflict"
            else:
                if deed == "delete":
                    version = board.delete(key, by=BY)
                    del truth[tail]
                else:
                    version = truth[tail] = board.put(key, n, by=BY, expect=expect).version
                assert version > last
                last = version
        assert {e.key: e.version for e in board.query(f"{name}.**")} == {f"{name}.{t}": v for t, v in truth.items()}

    def test_a_deletion_can_expect_a_version(self, board: Blackboard) -> None:
        key = f"{namespace()}.x"
        version = board.put(key, 1, by=BY).version
        assert code(lambda: board.delete(key, by=BY, expect=version + 1)) == "version_conflict"
        assert board.get(key)
        assert board.delete(key, by=BY, expect=version) > version
        assert board.get(key) is None

    def test_no_update_is_lost(self, board: Blackboard) -> None:
        """Four threads count together, each on what it read."""
        key, each = f"{namespace()}.count", 15
        board.put(key, 0, by=BY)

        def count_up() -> None:
            for _ in range(each):
                while True:
                    found = board.get(key)
                    assert found
                    try:
                        board.put(key, found.value + 1, by=BY, expect=found.version)
                        break
                    except Exception as error:
                        if getattr(error, "code", "") != "version_conflict":
                            raise

        together([count_up] * 4, board)
        assert board.get(key).value == 4 * each  # type: ignore[union-attr]

    def test_only_one_is_first(self, board: Blackboard) -> None:
        key, won = f"{namespace()}.x", []

        def claim() -> None:
            if code(lambda: board.put(key, 1, by=BY, expect=0)) is None:
                won.append(1)

        together([claim] * 6, board)
        assert won == [1]

    # --- Patterns --------------------------------------------------------------------------------------------

    @examples
    @given(kept=st.sets(tails, max_size=12), pattern=patterns)
    def test_a_pattern_finds_exactly_what_it_names(self, board: Blackboard, kept: set[str], pattern: str) -> None:
        name = namespace()
        board.put_many([(f"{name}.{tail}", tail) for tail in sorted(kept)], by=BY)
        whole = f"{name}.{pattern}"
        expected = sorted(f"{name}.{tail}" for tail in kept if matches(whole, f"{name}.{tail}"))
        assert [e.key for e in board.query(whole)] == expected
        loose = [e.key for e in board.query(f"**.{pattern}", limit=10_000) if e.key.startswith(f"{name}.")]
        assert loose == sorted(f"{name}.{t}" for t in kept if matches(f"**.{pattern}", f"{name}.{t}"))
        open_end = [e.key for e in board.query(f"{whole}.**")]
        assert open_end == sorted(f"{name}.{t}" for t in kept if matches(f"{whole}.**", f"{name}.{t}"))

    def test_a_star_is_everything(self, board: Blackboard) -> None:
        key = f"{namespace()}.x"
        board.put(key, 1, by=BY)
        assert key in {e.key for e in board.query("*", limit=10_000)}

    def test_a_limit_gives_the_first_and_after_gives_the_next(self, board: Blackboard) -> None:
        name = namespace()
        board.put_many([(f"{name}.{n:02}.end", n) for n in range(20)], by=BY)
        for pattern in (f"{name}.**", f"{name}.*.end", f"{name}.**.end"):
            first = board.query(pattern, limit=7)
            assert [e.value for e in first] == list(range(7))
            assert [e.value for e in board.query(pattern, limit=7, after=first[-1].key)] == list(range(7, 14))

    @pytest.mark.parametrize("pattern", ["", "a.", "a..b", "a*", "***"])
    def test_a_pattern_that_is_none_is_refused(self, board: Blackboard, pattern: str) -> None:
        with pytest.raises(BadPattern):
            board.query(pattern)

    # --- Time ------------------------------------------------------------------------------------------------

    def test_what_has_outlived_its_time_is_not_there(self, board: Blackboard) -> None:
        name = namespace()
        key = f"{name}.x"
        put = board.put(key, 1, by=BY, ttl_s=0.3)
        assert put.expires_at is not None
        assert board.get(key) == put
        time.sleep(0.4)
        assert board.get(key) is None
        assert board.query(f"{name}.*") == board.query(f"**.{key}") == []
        assert code(lambda: board.put(key, 2, by=BY, expect=put.version)) == "version_conflict"
        assert code(lambda: board.delete(key, by=BY)) == "entry_not_found"
        assert board.put(key, 3, by=BY, expect=0).version > put.version

    def test_what_is_swept_is_told_once(self, board: Blackboard) -> None:
        name = namespace()
        short = [board.put(f"{name}.{n}", n, by=BY, ttl_s=0.1) for n in range(3)]
        board.put(f"{name}.long", 1, by=BY, ttl_s=3600)
        time.sleep(0.2)
        board.put(f"{name}.0", 4, by="user:ben")
        assert board.sweep() >= 2
        told = [(key, what) for key, what, *_ in board.changes(name)]
        assert told[-4:-2] == [(f"{name}.0", "expired"), (f"{name}.0", "put")]
        assert sorted(told[-2:]) == [(f"{name}.1", "expired"), (f"{name}.2", "expired")]
        assert [e.value for e in board.query(f"{name}.*")] == [4, 1]
        assert board.put(f"{name}.2", 5, by=BY).version > short[2].version + 1

    def test_a_put_without_a_life_is_for_good(self, board: Blackboard) -> None:
        key = f"{namespace()}.x"
        board.put(key, 1, by=BY, ttl_s=0.1)
        board.put(key, 2, by=BY)
        time.sleep(0.2)
        assert board.get(key).value == 2  # type: ignore[union-attr]

    @pytest.mark.parametrize("ttl_s", [0, -1, float("nan"), float("inf"), 1e12])
    def test_a_life_that_is_none_is_refused(self, board: Blackboard, ttl_s: float) -> None:
        assert code(lambda: board.put(f"{namespace()}.x", 1, by=BY, ttl_s=ttl_s)) == "bad_value"

    # --- History and rules -----------------------------------------------------------------------------------

    def test_each_change_is_told_in_order(self, board: Blackboard) -> None:
        name = namespace()
        one = board.put(f"{name}.x", 1, by=BY)
        two = board.put(f"{name}.y", 2, by="user:ben")
        gone = board.delete(f"{name}.x", by="user:ben")
        code(lambda: board.put(f"{name}.y", 3, by=BY, expect=0))
        assert board.changes(name) == [
            (f"{name}.x", "put", one.version, BY),
            (f"{name}.y", "put", two.version, "user:ben"),
            (f"{name}.x", "deleted", gone, "user:ben"),
        ]

    def test_a_namespace_can_be_its_owner_s_alone(self, board: Blackboard) -> None:
        name = namespace()
        key = f"{name}.x"
        board.put(key, 1, by=BY)
        board.put(key, 2, by="agent:Mara")
        assert code(lambda: board.own(name, by="agent:Mara", writers="owner")) == "access_denied"
        board.own(name, by=BY, writers="owner")
        for call in (
            lambda: board.put(key, 3, by="agent:Mara"),
            lambda: board.delete(key, by="agent:Mara"),
            lambda: board.put(f"{name}.new", 3, by="agent:Mara"),
        ):
            assert code(call) == "access_denied"
        assert board.put(key, 4, by=BY).value == 4

    @pytest.mark.parametrize("by", ["", "u" * 501])
    def test_somebody_without_a_name_writes_nothing(self, board: Blackboard, by: str) -> None:
        key = f"{namespace()}.x"
        assert code(lambda: board.put(key, 1, by=by)) == "access_denied"
        board.put(key, 1, by=BY)
        assert code(lambda: board.delete(key, by=by)) == "access_denied"


def code(call: Any) -> str | None:
    """The code of what a call refuses; None when it does not."""
    try:
        call()
    except Exception as error:
        if not hasattr(error, "code"):
            raise
        return str(error.code)
    return None


def together(calls: Sequence[Any], board: Blackboard) -> None:
    """Run calls in threads of their own that begin together; `board.leave`, if it has that, ends each."""
    start, errors = threading.Barrier(len(calls)), []

    def run(call: Any) -> None:
        try:
            start.wait(timeout=30)
            call()
        except BaseException as error:
            errors.append(error)
        finally:
            getattr(board, "leave", lambda: None)()

    running = [threading.Thread(target=run, args=(call,)) for call in calls]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join(timeout=60)
    assert not errors, errors
