"""What an agent concludes when it reflects, and how that leans its later choices. Pure.

All of it follows from the agent's own state (its working memory, goals, traits) and from the tick: the same world,
agent and tick always come to the same insight, whatever upkeep has made of the vault by then (ADR 0016). What the
vault gives to an insight is its evidence, and that is added where it is stored.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, NamedTuple

from agents.facts import KEPT_INSIGHTS, KEPT_MEMORIES, Facts, Insight
from agents.narrative import fill
from domains.chance import Chance
from memory.recall import terms

LASTS = 20
"""Of its own ticks, until an insight has no say any more. It fades evenly."""
SAY = 0.6
"""What a full, fresh insight adds to the utility of the action that it is about."""
ENOUGH = 0.5
"""Weight of what speaks for a topic, from which there is something to conclude."""
PRESSING = 0.3
"""Weight that a need which is wholly unmet adds to its topic."""
MOST_EVIDENCE = 4
QUOTED = 120
"""Characters of a memory that an insight repeats."""
OWN_WORDS = 0.5
"""Importance of an insight in the agent's own words that nothing in mind bears out."""


@dataclass(frozen=True, slots=True)
class Topic:
    """Something that insights can be about."""

    words: str
    """What memories of it speak of; compared by their stems."""
    actions: Mapping[str, float]
    """What a leaning towards it makes more likely, and by how much of it; below 0 less likely."""
    towards: tuple[str, ...]
    away: tuple[str, ...] = ()
    need: str = ""
    always: bool = False
    """Whether bad experience makes it more pressing instead of putting the agent off."""
    stems: frozenset[str] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "stems", frozenset(terms.stem(word) for word in self.words.split()))


TOPICS: Mapping[str, Topic] = {
    "company": Topic(
        "talk talked quarrel quarrelled laugh friend company together meet visit neighbour said promise",
        {"socialize": 1.0, "rest": -0.2},
        (
            "{name} keeps coming back to {subject}: there is good in being together.",
            "It is people who stay with {name}, {subject} most of all.",
            "{name} sees now that a day without {subject} is only half a day.",
            "What {name} is glad of has a face: {subject}.",
        ),
        (
            "{name} has had enough of words for a while, and of {subject} in particular.",
            "Too much went wrong between {name} and {subject}; some distance would do good.",
            "{name} is better off alone for a time than with {subject}.",
            "It wears {name} out to be among people, {subject} above all.",
        ),
        need="company",
    ),
    "rest": Topic(
        "rest sleep tired weary strength exhausted slept worn nap",
        {"rest": 1.0, "create": -0.2, "explore": -0.2},
        (
            "{name} has been running on empty, and it shows.",
            "Nothing {name} begins goes well without sleep.",
            "{name} ought to sit down before falling down.",
            "A rested hour is worth three tired ones to {name}.",
        ),
        need="rest",
        always=True,
    ),
    "exploring": Topic(
        "explore discover path search map stair door echo wander strange unknown garden stone nest hum street bench",
        {"explore": 1.0, "move_zone": 0.4},
        (
            "There is more to {zone} than {name} had seen: {thought}",
            "{name} cannot leave it at that; somewhere behind this there is more: {thought}",
            "What {name} finds by going further is worth the wet shoes.",
            "One question leads {name} to the next: {thought}",
        ),
        (
            "{name} has looked behind enough doors; not everything wants to be found.",
            "The further {name} goes, the less there is to bring home.",
            "{name} is done with wandering for a while.",
        ),
        need="stimulation",
    ),
    "making": Topic(
        "made make build built craft song lantern kite carve paint",
        {"create": 1.0},
        (
            "{name} is most at home in what the hands have made: {thought}",
            "Something in {name} wants to be made, and will not wait.",
            "After this, {name} knows what the next piece should be: {thought}",
            "{name} is never so content as with something half made in both hands.",
        ),
        (
            "Materials have had enough of {name}, and {name} of them.",
            "What {name} has in mind will not come out right; better to let it lie.",
            "{name} spoils more than it makes lately: {thought}",
        ),
    ),
    "learning": Topic(
        "understood studied study learn lesson knowledge practise grammar history",
        {"learn": 1.0},
        (
            "The more {name} understands, the more there is to ask: {thought}",
            "{name} is close to something, and one more page will show it.",
            "It all hangs together, and {name} begins to see how: {thought}",
        ),
        ("{name} has read enough for a while; the words swim.", "Books do not tell {name} what it wants to know."),
    ),
    "food": Topic(
        "food eat hungry hunger meal bread ate",
        {"forage": 1.0},
        (
            "There is not always enough in {zone}, and {name} had better see to it in time.",
            "{name} thinks of bread before all else, and has reason to.",
            "An empty basket weighs on {name}: {thought}",
        ),
        always=True,
    ),
    "goal": Topic(
        "goal plan managed worked finish",
        {"work_on_goal": 1.0},
        (
            "It is time that {name} got on with it: to {subject}.",
            "All that {name} does leads back to one thing: to {subject}.",
            "{name} will not have peace before it is done: to {subject}.",
            "Little by little it can be done, {name} finds: to {subject}.",
        ),
        (
            "Perhaps it is not for {name} to {subject}, or not now.",
            "{name} has run against the same wall often enough: to {subject} must wait.",
        ),
        need="purpose",
    ),
    "place": Topic(
        "storm glitch doubled drifted loose shelf bloom surge hung belonged sank fragment",
        {"move_zone": -1.0, "explore": 0.2},
        (
            "{zone} does {name} good, and there is no reason to be elsewhere.",
            "{name} has come to belong to {zone}.",
            "Where else does one see such things? {name} stays in {zone}.",
        ),
        (
            "{zone} is no longer a place that {name} can trust: {thought}",
            "{name} sleeps badly in {zone} and ought to look for another place.",
            "Too much comes loose in {zone}; {name} would rather be gone.",
        ),
    ),
}


class _Case(NamedTuple):
    """What speaks for one topic."""

    weight: float
    valence: float
    """Of all that speaks for it, weighted, −1…1."""
    evidence: list[list[Any]]
    """Memories, weightiest first."""
    about: str


def form(facts: Facts, chance: Chance, words: str = "") -> Insight | None:
    """The one insight that what is in mind leads to, or None: too little is new, or it has been concluded already.

    `words` are the agent's own (a model's): they are the insight then, whatever speaks for it.
    """
    memories, earlier = _parted(facts.me.memories)
    if words:
        return _in_own_words(facts, words.strip(), memories)
    since = max((memory[0] for memory in earlier), default=None)
    if since is not None and sum(memory[0] > since for memory in memories) < 2:
        return None
    known = {memory[4] for memory in earlier}
    cases = [case for case in _cases(facts, memories) if case.about not in known and case.weight >= ENOUGH]
    if not cases:
        return None
    return _concluded(facts, max(cases, key=lambda case: (case.weight, case.about)), chance)


def leanings(memories: Sequence[Sequence[Any]], tick: int, interval: int) -> Mapping[str, float]:
    """What the insights in mind add to the utility of actions, by name."""
    found: dict[str, float] = {}
    for memory in memories:
        if len(memory) > 4 and (topic := TOPICS.get(memory[4])):
            by = memory[5] * SAY * _freshness(tick - memory[0], interval)
            for action, share in topic.actions.items():
                found[action] = found.get(action, 0.0) + by * share
    return {action: by for action, by in found.items() if by}


def speaking(memories: Sequence[Sequence[Any]], tick: int, interval: int, action: str) -> str:
    """What the insight that has most say about an action is about; empty when none has any."""
    found = [
        (abs(memory[5] * topic.actions[action]) * _freshness(tick - memory[0], interval), memory[4])
        for memory in memories
        if len(memory) > 4 and (topic := TOPICS.get(memory[4])) and action in topic.actions
    ]
    weight, about = max(found, default=(0.0, ""))
    return about if weight > 0 else ""


def kept(memories: Sequence[list[Any]], tick: int, interval: int) -> list[list[Any]]:
    """What stays in mind: the latest memories, and with them the latest insights for as long as they have a say."""
    plain, made = _parted(memories)
    lasting = [memory for memory in made if _freshness(tick - memory[0], interval) > 0][-KEPT_INSIGHTS:]
    staying = [*plain[-KEPT_MEMORIES:], *lasting]
    return [memory for memory in memories if memory in staying]


def topics_of(text: str) -> frozenset[str]:
    """Which topics a text speaks of, by its words."""
    return _topics_of(text)


@lru_cache(maxsize=20_000)
def _topics_of(text: str) -> frozenset[str]:
    stems = frozenset(terms.stem(word) for word in terms.words(text))
    return frozenset(about for about, topic in TOPICS.items() if not stems.isdisjoint(topic.stems))


# --- How it is made ------------------------------------------------------------------------------------------


def _parted(memories: Iterable[list[Any]]) -> tuple[list[list[Any]], list[list[Any]]]:
    """What was experienced, and what was concluded, each oldest first."""
    plain: list[list[Any]] = []
    made: list[list[Any]] = []
    for memory in memories:
        (made if len(memory) > 4 else plain).append(memory)
    return plain, made


def _freshness(age: int, interval: int) -> float:
    """1 for what was concluded just now, 0 after `LASTS` ticks of an agent that ticks every `interval`."""
    return max(0.0, 1.0 - max(0, age) / (LASTS * interval))


def _weight(memory: Sequence[Any]) -> float:
    return max(memory[2], abs(memory[3]))


def _cases(facts: Facts, memories: Sequence[list[Any]]) -> list[_Case]:
    goal = facts.open_goal()
    by: dict[str, list[list[Any]]] = {}
    for memory in memories:
        topics = _topics_of(memory[1].replace(facts.zone.name, " "))
        if goal and goal[1]["name"] in memory[1]:
            topics = frozenset({"goal"})
        for about in topics - (frozenset() if goal else {"goal"}):
            by.setdefault(about, []).append(memory)
    found = []
    for about, evidence in by.items():
        weight = sum(_weight(memory) for memory in evidence)
        valence = sum(_weight(memory) * memory[3] for memory in evidence) / weight if weight else 0.0
        evidence.sort(key=lambda memory: (-_weight(memory), -memory[0], memory[1]))
        pressing = PRESSING * facts.needs.get(TOPICS[about].need, 0.0)
        found.append(_Case(round(weight + pressing, 6), valence, evidence[:MOST_EVIDENCE], about))
    return found


def _concluded(facts: Facts, case: _Case, chance: Chance) -> Insight:
    topic = TOPICS[case.about]
    away = bool(topic.away) and _puts_off(facts, case)
    slots = {
        "name": facts.me.name,
        "zone": facts.zone.name,
        "subject": _subject(facts, case),
        "thought": f"“{_brief(case.evidence[0][1])}”",
    }
    text = fill(chance.pick(topic.away if away else topic.towards), slots)
    return Insight(
        text=text[:1].upper() + text[1:],
        about=case.about,
        lean=round((-1.0 if away else 1.0) * min(1.0, 0.4 + 0.3 * case.weight), 3),
        importance=_importance(case.evidence),
        valence=round(max(-0.6, min(0.6, case.valence)), 3),
        evidence=tuple(memory[1] for memory in case.evidence),
        question=_question(facts, case.evidence[0][1]),
    )


def _puts_off(facts: Facts, case: _Case) -> bool:
    """Whether bad experience turns the agent away. From a goal it does so only who is more anxious than steady."""
    if TOPICS[case.about].always or case.valence >= 0:
        return False
    return case.about != "goal" or facts.traits["neuroticism"] > facts.traits["conscientiousness"]


def _subject(facts: Facts, case: _Case) -> str:
    """Whom or what it is about, in words for a sentence."""
    if case.about == "goal" and (goal := facts.open_goal()):
        return str(goal[1]["name"])
    for other in facts.near:
        if any(other.name in memory[1] for memory in case.evidence):
            return other.name
    return "other people" if case.about == "company" else "it"


def _in_own_words(facts: Facts, words: str, memories: Sequence[list[Any]]) -> Insight:
    """What a model concludes: about the weightiest in mind of what it speaks of."""
    cases = {case.about: case for case in _cases(facts, memories)}
    spoken = sorted(_topics_of(words), key=lambda about: (-cases[about].weight if about in cases else 0.0, about))
    about = spoken[0] if spoken else ""
    case = cases.get(about)
    evidence = case.evidence if case else sorted(memories, key=lambda m: (-_weight(m), -m[0], m[1]))[:2]
    away = case is not None and bool(TOPICS[about].away) and _puts_off(facts, case)
    lean = 0.0 if not about else (-1.0 if away else 1.0) * min(1.0, 0.4 + 0.3 * (case.weight if case else 0.0))
    return Insight(
        text=words,
        about=about,
        lean=round(lean, 3),
        importance=max(OWN_WORDS, _importance(evidence)) if case else OWN_WORDS,
        valence=round(max(-0.6, min(0.6, case.valence)), 3) if case else 0.0,
        evidence=tuple(memory[1] for memory in evidence),
        question=_question(facts, words),
    )


def _importance(evidence: Sequence[Sequence[Any]]) -> float:
    """More the more speaks for it, and the weightier that is."""
    if not evidence:
        return OWN_WORDS
    return round(min(0.9, 0.35 + 0.08 * len(evidence) + 0.3 * _weight(evidence[0])), 3)


def _question(facts: Facts, thought: str) -> str:
    """What the vault is asked for more of the same: the thought, and what the agent is after."""
    goal = facts.open_goal()
    return " ".join(part for part in (thought, goal[1]["name"] if goal else "") if part)[:1000]


def _brief(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= QUOTED else f"{line[: QUOTED - 1].rstrip()}…"
