"""Back-off: how long between tries, and when there are no more."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domains.thunderflow.faults import CLASSES, DEPENDENCY, RETRIED, RetryPolicy

policies = st.builds(
    lambda attempts, base_s, more_s: RetryPolicy(attempts, base_s, base_s + more_s),
    st.integers(1, 50), st.floats(0.001, 10), st.floats(0, 1000),
)  # fmt: skip


@given(policies, st.integers(1, 10_000), st.integers())
def test_delays_double_up_to_the_cap_and_a_half_more(policy: RetryPolicy, attempts: int, seed: int) -> None:
    plain = min(policy.cap_s, policy.base_s * 2.0 ** min(attempts - 1, 60))
    delay = policy.delay_s(attempts, random.Random(seed))
    assert plain <= delay <= 1.5 * plain
    assert delay <= 1.5 * policy.cap_s


@given(policies, st.sampled_from(CLASSES), st.integers(1, 100), st.floats(0, 1e6))
def test_it_gives_up_in_the_end_and_then_for_good(
    policy: RetryPolicy, error_class: str, attempts: int, failing_s: float
) -> None:
    gives_up = policy.gives_up(error_class, attempts, failing_s)
    assert policy.gives_up(error_class, attempts + 1, failing_s + 1) >= gives_up
    if error_class not in RETRIED:
        assert gives_up
    elif error_class == DEPENDENCY:
        assert gives_up == (failing_s >= policy.patience_s)
    else:
        assert gives_up == (attempts >= policy.attempts)


@pytest.mark.parametrize("wrong", [{"attempts": 0}, {"base_s": 0.0}, {"base_s": 5.0, "cap_s": 1.0}])
def test_a_policy_that_makes_no_sense_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="makes no sense"):
        RetryPolicy(**wrong)  # type: ignore[arg-type]
