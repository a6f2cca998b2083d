import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from domains.thunderflow.patterns import BadPattern, matches, to_regex

# Few words, so that patterns and topics often meet; some with characters that mean something to a regular expression.
WORDS = st.sampled_from(["a", "b", "zone", "a+", "[x]", "\\d", "$", "ä", "a-b", "a\n", " "]) | st.text(
    st.characters(exclude_characters=".*\0", exclude_categories=("Cs",)), min_size=1, max_size=4
)
TOPICS = st.lists(WORDS, min_size=1, max_size=6)
PATTERNS = st.lists(st.sampled_from(["*", "**"]) | WORDS, min_size=1, max_size=5)


def fits(pattern: list[str], topic: list[str]) -> bool:
    """The rule, token by token, without a regular expression."""
    if not pattern:
        return not topic
    first, rest = pattern[0], pattern[1:]
    if first == "**":
        return any(fits(rest, topic[n:]) for n in range(len(topic) + 1))
    return bool(topic) and first in ("*", topic[0]) and fits(rest, topic[1:])


@given(PATTERNS.filter(lambda tokens: tokens != ["*"]), TOPICS)
@example(["a"], ["a\n"])
@example(["**", "b"], ["b"])
@example(["a", "**"], ["a"])
@example(["**", "**"], ["a"])
def test_a_pattern_matches_what_the_rule_says_token_by_token(pattern: list[str], topic: list[str]) -> None:
    assert matches(".".join(pattern), ".".join(topic)) == fits(pattern, topic)


@given(TOPICS)
def test_a_bare_star_is_everything(topic: list[str]) -> None:
    assert matches("*", ".".join(topic))
    assert matches("**", ".".join(topic))


@given(TOPICS)
def test_a_topic_is_a_pattern_for_itself(topic: list[str]) -> None:
    assert matches(".".join(topic), ".".join(topic))


@pytest.mark.parametrize(
    ("pattern", "yes", "no"),
    [
        ("agent.7.*", ["agent.7.changed"], ["agent.7", "agent.7.a.b", "agent.8.changed"]),
        ("society.room1.**", ["society.room1", "society.room1.a", "society.room1.a.b"], ["society.room2.a"]),
        ("**.status", ["status", "agent.status", "a.b.status"], ["status.a", "agent.statuses"]),
        ("zone.**.agent_*".replace("agent_*", "left"), ["zone.left", "zone.1.left", "zone.1.2.left"], ["zone.1"]),
        ("system.*", ["system.domain_activated"], ["system"]),
    ],
)
def test_patterns_of_the_manual(pattern: str, yes: list[str], no: list[str]) -> None:
    assert [topic for topic in yes if not matches(pattern, topic)] == []
    assert [topic for topic in no if matches(pattern, topic)] == []


@pytest.mark.parametrize(
    "pattern", ["", ".", "a.", ".a", "a..b", "a*", "domain_*", "***", "a.**b", "a.*b*", "a\0b", "a.\ud800"]
)
def test_what_is_no_pattern_is_refused(pattern: str) -> None:
    with pytest.raises(BadPattern, match=re.escape(repr(pattern))):
        to_regex(pattern)
    with pytest.raises(BadPattern):
        matches(pattern, "a")
