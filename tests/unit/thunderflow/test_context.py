from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

import pytest

from domains.thunderflow.context import Context, acting, afresh, current

ONE, TWO = UUID(int=1), UUID(int=2)


def test_outside_of_everything_the_system_acts() -> None:
    assert current() == Context(correlation_id=None, causation_id=None, actor="system")


def test_a_block_acts_as_somebody_and_for_a_cause() -> None:
    with acting(actor="user:ada", correlation_id=ONE, causation_id=TWO) as context:
        assert current() is context
        assert context == Context(ONE, TWO, "user:ada")
    assert current().actor == "system"


def test_what_is_left_out_is_inherited() -> None:
    with acting(actor="user:ada", correlation_id=ONE), acting(causation_id=TWO) as inner:
        assert inner == Context(ONE, TWO, "user:ada")


def test_a_missing_correlation_is_made_once_and_inherited() -> None:
    with acting(actor="heartbeat") as outer, acting(actor="domain:zones") as inner:
        assert outer.correlation_id is not None
        assert inner.correlation_id == outer.correlation_id
    with acting(actor="heartbeat") as other:
        assert other.correlation_id != outer.correlation_id


def test_an_error_ends_the_block_too() -> None:
    with pytest.raises(KeyError), acting(actor="user:ada"):
        raise KeyError
    assert current().actor == "system"


def test_other_threads_act_for_themselves() -> None:
    with acting(actor="user:ada"), ThreadPoolExecutor(1) as pool:
        assert pool.submit(current).result().actor == "system"


def test_a_block_can_begin_afresh() -> None:
    with acting(actor="user:ada", correlation_id=ONE, causation_id=TWO):
        with afresh():
            assert current() == Context()
        assert current() == Context(ONE, TWO, "user:ada")
