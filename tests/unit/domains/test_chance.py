import os
import subprocess
import sys
from collections import Counter
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from domains.chance import Chance

SEEDS = st.integers(0, 2**63 - 1)
ORDINALS = st.integers(0, 2**31 - 1)
PURPOSES = st.text(max_size=20)


def keys() -> st.SearchStrategy[tuple[int, int, int, str]]:
    return st.tuples(SEEDS, ORDINALS, SEEDS, PURPOSES)


def draws(seed: int, ordinal: int, tick: int, purpose: str, count: int = 5) -> list[float]:
    chance = Chance(seed, ordinal, tick, purpose)
    return [chance.uniform() for _ in range(count)]


@given(keys())
def test_the_same_key_draws_the_same_numbers(key: tuple[int, int, int, str]) -> None:
    assert draws(*key) == draws(*key)


def test_the_numbers_are_the_same_in_every_process_and_for_ever() -> None:
    """A change of these numbers changes the history of every world: it is a new version of the world format."""
    code = (
        "from domains.chance import Chance; c = Chance(42, 7, 1000, 'decide'); print([c.uniform() for _ in range(3)])"
    )
    said = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        for seed in ("0", "1")
    }
    assert said == {"[0.49628891302035893, 0.35449308847571537, 0.8800366592589296]"}


def test_a_stream_is_splitmix64() -> None:
    """The first numbers of the reference implementation (prng.di.unimi.it/splitmix64.c) from the state 1234567."""
    chance = Chance(0, 0, 0, "")
    chance._state = 1234567
    expected = [6457827717110365317, 3203168211198807973, 9817491932198370423]
    assert [int(chance.uniform() * 2**53) for _ in expected] == [number >> 11 for number in expected]


@given(st.lists(st.tuples(SEEDS, ORDINALS, SEEDS), max_size=20), PURPOSES)
def test_many_at_once_are_the_same_streams(many: list[tuple[int, int, int]], purpose: str) -> None:
    made = [[chance.uniform() for _ in range(3)] for chance in Chance.many(many, purpose)]
    assert made == [draws(*key, purpose, count=3) for key in many]


@given(keys())
def test_numbers_lie_from_0_to_below_1(key: tuple[int, int, int, str]) -> None:
    assert all(0 <= number < 1 for number in draws(*key, count=50))


def test_each_part_of_the_key_matters_and_no_two_keys_share_a_stream() -> None:
    firsts = [
        Chance(seed, ordinal, tick, purpose).uniform()
        for seed in (0, 1, 2**63 - 1)
        for ordinal in range(60)
        for tick in range(60)
        for purpose in ("decide", "environment", "")
    ]
    assert len(set(firsts)) == len(firsts)


def test_neighbouring_keys_are_independent() -> None:
    """Mean, spread and serial correlation of the first draws along ordinals and along ticks are those of chance."""
    n = 20_000
    for numbers in (
        [Chance(9, ordinal, 5, "decide").uniform() for ordinal in range(n)],
        [Chance(9, 5, tick, "decide").uniform() for tick in range(n)],
        [Chance(seed, 5, 5, "decide").uniform() for seed in range(n)],
    ):
        tenths = Counter(int(number * 10) for number in numbers)
        chi_square = sum((tenths[i] - n / 10) ** 2 / (n / 10) for i in range(10))
        assert chi_square < 27.9  # nine degrees of freedom, one in a thousand
        serial = sum((a - 0.5) * (b - 0.5) for a, b in pairwise(numbers)) / (n - 1) * 12
        assert abs(serial) < 4 / n**0.5


@given(keys(), st.integers(1, 10_000))
def test_an_index_lies_in_its_range(key: tuple[int, int, int, str], n: int) -> None:
    assert 0 <= Chance(*key).index(n) < n


@given(keys(), st.lists(st.integers(), min_size=1))
def test_a_pick_is_one_of_the_items(key: tuple[int, int, int, str], items: list[int]) -> None:
    assert Chance(*key).pick(items) in items


@given(keys(), st.floats(-1e6, 1e6), st.floats(0, 1e6))
def test_between_lies_between(key: tuple[int, int, int, str], low: float, width: float) -> None:
    assert low <= Chance(*key).between(low, low + width) <= low + width


def test_every_item_is_picked() -> None:
    chance = Chance(1, 2, 3, "pick")
    assert {chance.pick("abcdefghij") for _ in range(400)} == set("abcdefghij")
