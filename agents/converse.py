"""What agents say to each other and to people by rule: from templates, their state and their memories. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from agents.facts import Facts, Heard
from agents.narrative import fill
from domains.chance import Chance

TURN_LIMIT = 4
"""Messages of one conversation between agents, the opening one included; so that no two talk for ever."""
READ_AT_ONCE = 4
"""Messages that an agent reads at one tick; the rest makes it due at the next."""
MAX_REPLY = 1000

_WORD = re.compile(r"[\w’']+")
_WARM = frozenset(
    ("thank", "thanks", "love", "lovely", "dear", "friend", "good", "great", "glad", "happy", "please", "wonderful",
     "kind", "well", "welcome")
)  # fmt: skip
_COLD = frozenset(
    (
        "hate",
        "bad",
        "stupid",
        "awful",
        "liar",
        "angry",
        "worst",
        "terrible",
        "fool",
        "never",
        "wrong",
        "ugly",
        "useless",
    )
)
_COMMON = frozenset(
    ("about", "after", "again", "also", "could", "does", "from", "have", "into", "just", "know", "like", "more", "much",
     "said", "that", "their", "them", "then", "there", "they", "this", "what", "when", "where", "which", "will", "with",
     "would", "your")
)  # fmt: skip

# What a text is about, by the first pattern that it shows; the answers to it.
_KINDS: Sequence[tuple[str, re.Pattern[str]]] = [
    ("farewell", re.compile(r"\b(bye|goodbye|farewell|see you|good night)\b", re.I)),
    ("feeling", re.compile(
        r"\bhow (are|do|is it|have) you|\bhow.{0,12}\b(feel|going)|\bare you (well|ok|all right|tired|happy)", re.I
    )),
    ("doing", re.compile(r"\bwhat (are|were) you (doing|up to)|\bbusy\b", re.I)),
    ("goal", re.compile(r"\b(goals?|plans?|want|hope|dream)\b", re.I)),
    ("place", re.compile(
        r"\bwhere\b|\bwhat.{0,20}\bplace\b|\bwho (is|else|was).{0,10}\b(near|there|here|with you)", re.I
    )),
    ("self", re.compile(r"\bwho are you|\byour (name|story)|\babout yourself\b", re.I)),
    ("thanks", re.compile(r"\b(thanks?|thank you|grateful)\b", re.I)),
    ("greeting", re.compile(r"^\W*(hello|hi|hey|good (morning|day|evening)|greetings)\b", re.I)),
]  # fmt: skip

_ANSWERS: Mapping[str, tuple[str, ...]] = {
    "farewell": (
        "Go well, {sender}. I stay with {focus}.",
        "Until next time, {sender}.",
        "Take care on the way. {zone} will be here.",
    ),
    "feeling": (
        "{feeling}, if you ask. {energy}",
        "{energy} Apart from that: {feeling_low}.",
        "Kind of you to ask, {sender}. {feeling}. {need}",
    ),
    "doing": (
        "Just now? {activity}. {goal}",
        "{activity}, here in {zone}. {goal}",
        "You find me {activity_low}. {need}",
    ),
    "goal": (
        "{goal} One thing after the other.",
        "Ask me again in a while. {goal}",
        "{goal} That, and a quiet evening.",
    ),
    "place": (
        "In {zone}, with {company}.",
        "{zone}. {company_up} here too, as far as I can see.",
        "Here in {zone}. {scarce} is what it lacks most.",
    ),
    "self": (
        "{name}. {about}",
        "They call me {name}. {about} {goal}",
    ),
    "thanks": (
        "You are welcome, {sender}.",
        "It was nothing, {sender}. Well, it was a little.",
        "Say that again when it is done.",
    ),
    "greeting": (
        "Hello, {sender}. {feeling} today.",
        "{sender}! Good to hear from you. {activity}, as you see.",
        "Good day, {sender}. {need}",
    ),
    "memory": (
        "That brings something back: {memory}",
        "I remember this: {memory} Does that help?",
        "{memory} That is what I know of it.",
    ),
    "question": (
        "I could not say, {sender}. {goal}",
        "Ask somebody who knows more of it than I do. What I know: {scarce} is short in {zone}.",
        "Let me think about that. Just now {focus} fills my head.",
    ),
    "statement": (
        "I hear you, {sender}. {feeling}, for my part.",
        "Is that so? I shall keep it in mind.",
        "Noted. {need}",
        "If you say so, {sender}. I was with {focus} in my thoughts.",
    ),
}

_CHAT: Mapping[bool, tuple[str, ...]] = {
    True: (
        "I had thought the same, {sender}. {activity}, when it came to me.",
        "Well put. {memory_or_need}",
        "You make {zone} a better place to stand in, {sender}.",
        "Then let us see to it. {goal}",
        "Tell me more when there is time. {need}",
    ),
    False: (
        "I see it differently, {sender}, and leave it at that.",
        "Perhaps. {memory_or_need}",
        "That may be so. {energy}",
        "You and your ideas, {sender}.",
    ),
}

_OPENERS: Mapping[bool, tuple[str, ...]] = {
    True: (
        "{other}, what do you make of {topic}?",
        "Have you heard about {topic}, {other}?",
        "I keep thinking about {topic}. You too, {other}?",
        "Between us, {other}: {topic}. What should one do?",
    ),
    False: (
        "{other}, about {topic}: you were wrong, you know.",
        "We have to talk about {topic}, {other}.",
        "I am tired of hearing about {topic}, {other}. Are you not?",
    ),
}


def opener(facts: Facts, other: str, topic: str, *, warm: bool, chance: Chance) -> str:
    """The words with which an agent begins to talk to somebody."""
    return fill(chance.pick(_OPENERS[warm]), {**_slots(facts, other), "other": other, "topic": topic})


def replies(facts: Facts, given: Mapping[int, str]) -> dict[int, str]:
    """An answer to each message that wants one: the one `given`, else by rule."""
    found: dict[int, str] = {}
    for heard in facts.messages:
        if heard.answerable:
            words = storable(given.get(heard.number, "")).strip()[:MAX_REPLY]
            found[heard.number] = words or reply(facts, heard)
    return found


def reply(facts: Facts, heard: Heard) -> str:
    """What an agent answers by rule. Always the same for the same facts and message text."""
    chance = Chance(facts.seed, facts.me.ordinal, facts.me.tick_number + 1 + 1000 * len(heard.text), "reply")
    slots = _slots(facts, heard.sender) | {"memory": recollection(facts, heard)}
    if heard.by is not None and kind_of(heard.text) in ("question", "statement"):
        slots["memory_or_need"] = slots["memory"] or slots["need"]
        words = chance.pick(_CHAT[_friendly(facts, heard)])
    else:
        kind = kind_of(heard.text)
        if kind in ("question", "statement", "goal") and slots["memory"]:
            kind = "memory"
        words = chance.pick(_ANSWERS[kind])
    return " ".join(fill(words, slots).split())[:MAX_REPLY]


def kind_of(text: str) -> str:
    """What a text is: a greeting, a question after something, a statement."""
    for name, pattern in _KINDS:
        if pattern.search(text):
            return name
    return "question" if "?" in text else "statement"


def recollection(facts: Facts, heard: Heard) -> str:
    """A memory that the message touches: the one that was searched out, else a recent one that shares its words."""
    if heard.recalled:
        return _sentence(heard.recalled)
    asked = _telling(heard.text)
    shared = [(len(asked & _telling(memory[1])), n, memory[1]) for n, memory in enumerate(facts.me.memories)]
    best = max(shared, default=(0, 0, ""))
    return _sentence(best[2]) if best[0] else ""


TOOL = "tool:"
"""How senders begin that are outside tools."""


def answerable(sender: str, turn: int, *, by_agent: bool) -> bool:
    """Whether a message wants an answer: people's do, tools' do not, agents' until they have had their turns."""
    if by_agent:
        return turn + 1 < TURN_LIMIT
    return not sender.startswith(TOOL)


def weigh(heard: Heard) -> tuple[float, float]:
    """Importance 0–1 and valence −1…1 of having been told something: more when it is long, asked, or by a person."""
    words = words_of(heard.text)
    feeling = len(_WARM.intersection(words)) - len(_COLD.intersection(words))
    importance = 0.12 + 0.02 * min(10, len(words)) + (0.1 if "?" in heard.text else 0.0)
    importance += 0.08 if heard.by is None else 0.0
    return round(min(0.8, importance), 3), round(max(-0.6, min(0.6, 0.2 * feeling)), 3)


def words_of(text: str) -> list[str]:
    """The words of a text, in small letters."""
    return _WORD.findall(text.lower())


def storable(text: str) -> str:
    """The text without what PostgreSQL cannot hold."""
    return text.replace("\0", "").encode("utf-8", "ignore").decode()


def _telling(text: str) -> set[str]:
    return {word for word in words_of(text) if len(word) > 3 and word not in _COMMON}


def _friendly(facts: Facts, heard: Heard) -> bool:
    return facts.traits["agreeableness"] + 0.4 * facts.me.mood + weigh(heard)[1] >= 0.4


def _sentence(text: str) -> str:
    text = text.strip()[:300]
    return text if not text or text[-1] in ".!?”" else f"{text}."


def _slots(facts: Facts, sender: str) -> dict[str, str]:
    me, goal = facts.me, facts.open_goal()
    near = [other.name for other in facts.near[:3] if other.name != sender]
    company = " and ".join(near) if near else "nobody"
    activity = me.activity or "looking around"
    feeling = _feeling(me.mood)
    scarce = min(facts.zone.resources, key=lambda name: (facts.zone.resources[name], name))
    return {
        "name": me.name,
        "sender": sender,
        "zone": facts.zone.name,
        "feeling": feeling.capitalize(),
        "feeling_low": feeling,
        "energy": _ENERGY[facts.band],
        "activity": activity[:1].upper() + activity[1:],
        "activity_low": activity,
        "goal": f"I mean to {goal[1]['name']}, {_progress(goal[1]['progress'])}." if goal else "I have no plans.",
        "focus": (me.current_focus or activity).rstrip("."),
        "need": _need(facts.needs),
        "company": company,
        "company_up": "Nobody is" if not near else f"{company} {'are' if len(near) > 1 else 'is'}",
        "scarce": scarce.capitalize(),
        "about": f"You find me in {facts.zone.name} most days.",
    }


_ENERGY = {
    "high": "I could carry a barn.",
    "medium": "I have strength enough.",
    "low": "I have been on my feet for long.",
    "depleted": "I can hardly stand.",
}


def _feeling(mood: float) -> str:
    if mood > 0.4:
        return "in good spirits"
    if mood > 0.1:
        return "content"
    return "neither glad nor sad" if mood > -0.1 else "a little low" if mood > -0.4 else "heavy at heart"


def _progress(progress: float) -> str:
    return "and have only begun" if progress < 0.2 else "and am on my way" if progress < 0.7 else "and am nearly there"


def _need(needs: Mapping[str, float]) -> str:
    name, weight = max(needs.items(), key=lambda need: (need[1], need[0]))
    if weight < 0.3:
        return "I lack nothing."
    return {
        "rest": "What I need is sleep.",
        "company": "It has been quiet around me.",
        "stimulation": "Something new would do me good.",
        "purpose": "I ought to get on with things.",
    }[name]
