"""What is needed to make an agent or a mod, checked field by field; shared by world files, commands and doors."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from domains import names


def _storable(text: str) -> str:
    """PostgreSQL holds every text but those with a NUL. Raises: ValueError."""
    if "\0" in text:
        raise ValueError("it has a NUL character, which cannot be stored")
    return text


Share = Annotated[float, Field(ge=0, le=1)]
Stat = Annotated[float, Field(ge=0, le=100)]
Storable = AfterValidator(_storable)
NOT_BLANK = r"\S"
"""Blanks around texts go, and something must be left; for who reads the JSON Schema."""
Name = Annotated[
    str,
    Field(min_length=1, max_length=100, pattern=NOT_BLANK, json_schema_extra={"pattern": names.PATTERN}),
    Storable,
    BeforeValidator(names.plain),  # before blanks around it go
]


class _Spec(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True, allow_inf_nan=False)


class Traits(_Spec):
    """Big Five, 0–1."""

    openness: Share = 0.5
    conscientiousness: Share = 0.5
    extraversion: Share = 0.5
    agreeableness: Share = 0.5
    neuroticism: Share = 0.5


class Stats(_Spec):
    """What an agent starts with, 0–100."""

    energy: Stat = 80.0
    creativity: Stat = 50.0
    focus: Stat = 50.0
    social: Stat = 50.0
    exploration: Stat = 50.0


class Goal(_Spec):
    """Something to get done, as it would follow “to”: “mend the bridge”."""

    name: Annotated[str, Field(min_length=1, max_length=200, pattern=NOT_BLANK), Storable]
    progress: Share = 0.0


class Effects(_Spec):
    """What a mod does while it is in force."""

    stat_modifiers: dict[
        Literal["energy", "creativity", "focus", "social", "exploration"],
        Annotated[float, Field(ge=-100, le=100)],
    ] = {}
    trait_modifiers: dict[
        Literal["openness", "conscientiousness", "extraversion", "agreeableness", "neuroticism"],
        Annotated[float, Field(ge=-1, le=1)],
    ] = {}
    new_capabilities: list[Name] = []
    tool_access: list[Name] = []
    """Capabilities of tools."""
    action_weights: Annotated[
        dict[Name, Annotated[float, Field(ge=-100, le=100)]],
        Field(json_schema_extra={"additionalProperties": False}),  # a key that is no name is refused
    ] = {}
    """Added to the utility of an action."""


class ModSpec(_Spec):
    """A mod to apply. `duration` is in world ticks; None is for good."""

    name: Name
    kind: Literal["behavior", "capability", "memory", "tool", "personality", "stat_boost", "skill"]
    effects: Effects = Effects()
    duration: Annotated[int, Field(ge=1, le=1_000_000_000)] | None = None


class Position(_Spec):
    """Where in the zone, 0–100."""

    x: Stat
    y: Stat
    z: float = 0.0


class AgentSpec(_Spec):
    """An agent to make."""

    EDITABLE: ClassVar[tuple[str, ...]] = (
        "description", "openness", "conscientiousness", "extraversion", "agreeableness", "neuroticism",
        "capabilities", "reasoner", "model", "temperature", "max_tokens", "system_prompt", "narrator",
        "movement_range", "tick_interval",
    )  # fmt: skip

    RESERVED: ClassVar[frozenset[str]] = frozenset(
        {"capabilities", "mods", "reasoner", "model", "system_prompt", "narrator"}
    )
    """What opens tools or costs money: for who governs the zone, not for every member who may give birth there."""

    name: Name
    description: Annotated[str, Field(max_length=1000), Storable] = ""
    traits: Traits = Traits()
    stats: Stats = Stats()
    mood: Annotated[float, Field(ge=-1, le=1)] = 0.0
    goals: Annotated[list[Goal], Field(max_length=20)] = []
    capabilities: list[Name] = []
    mods: list[ModSpec] = []
    reasoner: Annotated[str, Field(min_length=1, max_length=50, pattern=NOT_BLANK), Storable] = "rules"
    model: Annotated[str, Field(max_length=100), Storable] = ""
    temperature: Annotated[float, Field(ge=0, le=2)] = 0.7
    max_tokens: Annotated[int, Field(ge=1, le=100_000)] = 512
    system_prompt: Annotated[str, Field(max_length=20_000), Storable] = ""
    narrator: Literal["rules", "model"] = "rules"
    movement_range: Annotated[float, Field(ge=0, le=1000)] = 10.0
    tick_interval: Annotated[int, Field(ge=1, le=100_000)] = 30
    position: Position | None = None

    def columns(self) -> dict[str, Any]:
        """The row's values but for place, order and time."""
        values = self.model_dump(exclude={"traits", "stats", "goals", "mods", "position"})
        values |= self.traits.model_dump() | self.stats.model_dump()
        values["goals"] = [goal.model_dump() for goal in self.goals]
        if self.position is not None:
            values |= self.position.model_dump()
        return values

    def reserved(self) -> list[str]:
        """Names of the reserved fields that are not as usual, sorted."""
        fields = type(self).model_fields
        return sorted(name for name in self.RESERVED if getattr(self, name) != fields[name].default)

    def settled(self) -> dict[str, Any]:
        """The columns that a changed world file may change in an agent that already lives."""
        columns = self.columns()
        return {name: columns[name] for name in self.EDITABLE}
