"""What an agent knows when it decides, and what a decision is. Plain data: no rows, no clock, no I/O.

These are made for every tick of every agent. They are not to be changed once made, but not frozen either: a frozen
dataclass takes three times as long to make.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from uuid import UUID

from zones.state import Happening, Way, ZoneState

KEPT_MEMORIES = 6
KEPT_ACTIONS = 4
KEPT_INSIGHTS = 2
"""Besides the memories, for as long as they have a say in what is chosen."""


class Heard(NamedTuple):
    """A message in the inbox, as the agent hears it."""

    number: int
    sender: str
    """A name, of an agent or of a person."""
    text: str
    turn: int
    conversation: UUID
    by: int | None
    """The ordinal of the agent who sent it; None: a person, the system or an outside tool did."""
    sender_agent: UUID | None
    actor: str
    """As events name the sender."""
    answerable: bool
    """Whether an answer is expected; agents stop talking to each other after some turns."""
    recalled: str = ""
    """The agent's memory that is nearest to it in meaning, when one is near."""
    recalled_id: UUID | None = None

    @property
    def by_person(self) -> bool:
        """Not by an agent, and not what an outside tool gave, which is always without an answer."""
        return self.by is None and self.answerable


@dataclass(slots=True)
class Answer:
    """What came back when a model was asked what the agent should do: an input of the tick that it is applied in."""

    asked_tick: int
    """World tick at which the agent was due; its next one counts from there."""
    text: str = ""
    error: str | None = None
    """Why there is no text: the rules decide then, and this stands in the log."""
    usage: Mapping[str, Any] | None = None
    """Call, endpoint, model, tokens, milliseconds, cost; the router's scores."""
    heard: frozenset[int] = frozenset()
    """Numbers of the messages that were in the question. Later ones wait for the next."""
    told: frozenset[str] = frozenset()
    """Memories that were in the question: they are not remembered again."""


@dataclass(slots=True)
class AgentState:
    """An agent as it was read under its zone's lock; changed in memory by its tick, written back once."""

    id: UUID
    ordinal: int
    name: str
    capabilities: list[str]
    mod_count: int
    reasoner: str
    movement_range: float
    tick_interval: int
    traits: dict[str, float]
    stats: dict[str, float]
    mood: float
    activity: str
    current_focus: str
    goals: list[dict[str, Any]]
    memories: list[list[Any]]
    """Working memory, oldest first: `[world tick, text, importance, valence]`, of an insight with what it is about and
    which way it leans, −1…1, after that."""
    actions: list[str]
    """Names of the latest actions, oldest first."""
    x: float
    y: float
    z: float
    tick_number: int
    last_tick: int
    due_tick: int
    mail: int = 0
    """Messages in the inbox."""
    narrator: str = "rules"
    goals_changed: bool = False
    memories_changed: bool = False
    answer: Answer | None = None
    """What its model said, when that is what it ticks for."""
    decided: Decision | None = None
    """What an operator decided in its place, when that is what it ticks for."""


class Other(NamedTuple):
    """Somebody near."""

    ordinal: int
    name: str
    distance: float


@dataclass(slots=True)
class Facts:
    """All that one agent perceives at one tick. `stats` and `traits` include the mods in force."""

    me: AgentState
    zone: ZoneState
    tick: int
    seed: int
    stats: Mapping[str, float]
    traits: Mapping[str, float]
    capabilities: frozenset[str]
    tools: frozenset[str]
    weights: Mapping[str, float]
    """What mods add to the utility of actions by name."""
    leanings: Mapping[str, float]
    """What insights in mind add to it."""
    needs: Mapping[str, float]
    near: tuple[Other, ...]
    """Nearest first, at most eight."""
    noticed: tuple[Happening, ...]
    """What happened since the last tick, the weightiest first, at most four."""
    messages: tuple[Heard, ...] = ()
    """From the inbox, the oldest first, at most four."""

    @property
    def band(self) -> str:
        """`high`, `medium`, `low` or `depleted` energy."""
        return energy_band(self.stats["energy"])

    @property
    def ways(self) -> list[Way]:
        """Where one can go from here."""
        return self.zone.ways

    def open_goal(self) -> tuple[int, dict[str, Any]] | None:
        """The unfinished goal that is furthest along (the first of equals), with its place in the list."""
        found: tuple[int, dict[str, Any]] | None = None
        for i, goal in enumerate(self.me.goals):
            if goal["progress"] < 1 and (found is None or goal["progress"] > found[1]["progress"]):
                found = (i, goal)
        return found


def energy_band(energy: float) -> str:
    """> 80 high, > 50 medium, > 20 low, else depleted."""
    return "high" if energy > 80 else "medium" if energy > 50 else "low" if energy > 20 else "depleted"


@dataclass(slots=True)
class Decision:
    """What an agent means to do, and why. `alternatives` are the allowed actions with their scores, best first."""

    action: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    confidence: float = 1.0
    reasoning: str = ""
    expected: str = ""
    alternatives: Mapping[str, float] = field(default_factory=dict)
    usage: Mapping[str, Any] | None = None
    error: str | None = None
    """What went wrong on the way to it; kept in the tick's log."""
    replies: Mapping[int, str] = field(default_factory=dict)
    """Answers by the numbers of the messages in the facts. What the reasoner leaves out, the rules answer."""
    remember: str = ""
    """What the agent wants to keep of this moment."""
    narrative: str = ""
    """Its story in the words of the reasoner; told when it comes as decided."""
    by: str = ""
    """The operator who decided in the agent's place."""


class Saying(NamedTuple):
    """Words for another agent; they leave with this world tick and arrive at the next."""

    to: int
    """Ordinal."""
    text: str


class Wish(NamedTuple):
    """A call of an outside tool that an agent wants. It leaves with the tick; what comes of it is a message."""

    tool: str
    """`<server>.<tool>`."""
    arguments: Mapping[str, Any]
    about: str
    """What required texts are filled in with, where the rules have chosen and know no schema; else empty."""


class Insight(NamedTuple):
    """What an agent concludes from what it has in mind."""

    text: str
    about: str
    """One of `agents.insights.TOPICS`; empty: of nothing that choices know."""
    lean: float
    """−1…1: away from it, towards it."""
    importance: float
    valence: float
    evidence: tuple[str, ...]
    """Texts of the memories that it rests upon, the weightiest first."""
    question: str
    """What the vault is searched for, for more of the same."""


@dataclass(slots=True)
class Outcome:
    """What an action does. Changes are wishes: stats are clamped to 0–100 and mood to −1…1 when they are applied."""

    stories: tuple[str, ...]
    """Sentences to choose from, with `{name}`, `{zone}` and the keys of `slots`."""
    impression: str
    """One plain sentence that can become a memory; the same slots."""
    slots: Mapping[str, str] = field(default_factory=dict)
    stats: Mapping[str, float] = field(default_factory=dict)
    mood: float = 0.0
    activity: str = ""
    focus: str | None = None
    goal: tuple[int, float] | None = None
    """Place in the list of goals, and progress to add."""
    position: tuple[float, float] | None = None
    destination: Way | None = None
    importance: float = 0.1
    valence: float = 0.0
    kind: str = "episodic"
    memorable: bool = True
    """False for what was only recalled: nothing is remembered of having remembered."""
    insight: Insight | None = None
    """Remembered as something known, with ties to its evidence; it leans later choices."""
    events: tuple[Any, ...] = ()
    """`NewEvent`s to publish with the tick."""
    says: tuple[Saying, ...] = ()
    puts: tuple[Any, ...] = ()
    """For the blackboard (`blackboard.actions.Put`); they are there from the next world tick on."""
    recalls: tuple[Any, ...] = ()
    """What was recalled for it (`memory.actions.Recall`), to be counted."""
    wishes: tuple[Wish, ...] = ()
    failed: bool = False
