from agents.facts import Decision
from agents.review import ALLOW, review
from tests.unit.agents.making import facts


def test_everything_is_allowed_for_now_and_says_so() -> None:
    decision = Decision("rest")
    verdict = review(decision, facts())
    assert (verdict.verdict, verdict.reason) == (ALLOW, "")
    assert verdict.decision is decision
