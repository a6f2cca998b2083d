"""What operators fill in: agents, zones, happenings. Fields say what fits; the apps' own checks have the last word."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django import forms
from pydantic import ValidationError

from agents import inputs, reasoners
from agents.actions.inputs import Input
from agents.errors import AgentError
from agents.specs import AgentSpec, Traits
from domains.chance import Chance
from zones.actions.places import Permission
from zones.errors import ZoneError

REFUSALS = (AgentError, ZoneError)
TRAITS = tuple(Traits.model_fields)
MOST_CAPABILITIES = 50
NAMES = (
    "Alma", "Bela", "Cato", "Dara", "Edda", "Finn", "Gust", "Hedi", "Ilan", "Juna", "Kolm", "Lior", "Mira", "Nils",
    "Orla", "Pell", "Quin", "Runa", "Sefa", "Timo", "Una", "Vigo", "Wanda", "Xeno", "Yara", "Zeno",
)  # fmt: skip
TRAIT_HELP = {
    "openness": "tries what is new",
    "conscientiousness": "gets things done",
    "extraversion": "seeks company",
    "agreeableness": "gives way to others",
    "neuroticism": "takes things to heart",
}
ALLOWS = {
    Permission.SPAWN_AGENTS: "make agents here",
    Permission.MODIFY_ZONE: "change the zone and steer its agents",
    Permission.BROADCAST_EVENTS: "announce things to all who are here",
    Permission.ADMIN_ZONE: "decide who may do what",
}
"""What a member of the world may do in a zone, in words."""
_FIELD = re.compile(r"([a-z_]+): (.*)", re.DOTALL)


class Refusable(forms.Form):
    """A form whose refusals by an action stand beside the field that they are about."""

    def refuse(self, error: Exception) -> None:
        """What an action said: beside the field that it names, else above all."""
        named = _FIELD.fullmatch(str(error))
        if named and named[1] in self.fields:
            self.add_error(named[1], f"{named[2][:1].upper()}{named[2][1:]}.")
        else:
            self.add_error(None, f"{str(error)[:1].upper()}{str(error)[1:]}.")


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]


def _text(rows: int, **attributes: str) -> forms.Textarea:
    return forms.Textarea({"rows": str(rows), "cols": None, **attributes})


def _slider() -> forms.NumberInput:
    return forms.NumberInput({"type": "range", "step": "0.01", "min": "0", "max": "1"})


# --- Agents --------------------------------------------------------------------------------------------------


class NewAgent(Refusable):
    """An agent to be born. `governs`: who fills it in may also set what opens tools or costs money."""

    name = forms.CharField(max_length=100, help_text="Unique in its world.")
    description = forms.CharField(max_length=1000, required=False, widget=_text(2))
    goals = forms.CharField(
        required=False,
        widget=_text(2, placeholder="mend the bridge"),
        help_text="One a line, as they would follow “to”.",
    )
    tick_interval = forms.IntegerField(
        label="Acts every",
        initial=30,
        min_value=1,
        max_value=100_000,
        help_text="World ticks. At normal speed the world ticks once a second.",
    )
    reasoner = forms.ChoiceField(label="Who decides", required=False, initial=reasoners.RULES)
    model = forms.CharField(
        label="Endpoint",
        max_length=100,
        required=False,
        help_text="By its name; empty: the standard one. For reasoners that ask a model, which costs money.",
    )
    system_prompt = forms.CharField(
        max_length=20_000, required=False, widget=_text(3), help_text="What a model is told besides who the agent is."
    )
    capabilities = forms.CharField(required=False, widget=_text(2), help_text="What it can do besides, one a line.")
    RESERVED = ("reasoner", "model", "system_prompt", "capabilities")

    def __init__(self, *args: Any, governs: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for trait in TRAITS:
            self.fields[trait] = forms.FloatField(
                min_value=0, max_value=1, initial=0.5, widget=_slider(), help_text=TRAIT_HELP[trait]
            )
        self.fields["reasoner"].choices = [(kind, kind) for kind in reasoners.kinds()]  # type: ignore[attr-defined]
        if not governs:
            for name in self.RESERVED:
                del self.fields[name]
        self.spec: AgentSpec | None = None

    @property
    def traits(self) -> list[forms.BoundField]:
        """The fields of the character."""
        return [self[name] for name in TRAITS]

    @property
    def reserved(self) -> list[forms.BoundField]:
        """The fields of who decides for it, where they may be set."""
        return [self[name] for name in self.RESERVED if name in self.fields]

    def clean(self) -> dict[str, Any]:
        """Checked as every door checks it; `spec` is what came of it."""
        given = self.cleaned_data
        fields: dict[str, Any] = {name: given[name] for name in ("name", "description", "tick_interval", "model",
                                  "system_prompt", "reasoner") if given.get(name)}  # fmt: skip
        fields["traits"] = {name: given[name] for name in TRAITS if given.get(name) is not None}
        fields["goals"] = [{"name": goal} for goal in _lines(given.get("goals", ""))]
        fields["capabilities"] = _lines(given.get("capabilities", ""))
        if len(fields["capabilities"]) > MOST_CAPABILITIES:
            self.add_error("capabilities", f"{MOST_CAPABILITIES} at most.")
        if self.errors:
            return given
        try:
            self.spec = AgentSpec.model_validate(fields)
        except ValidationError as error:
            for mistake in error.errors(include_url=False):
                place = str(mistake["loc"][0])
                self.add_error(place if place in self.fields else None, f"{mistake['msg']}.")
        return given


def suggested(seed: int, ordinal: int, turn: int, taken: Iterable[str]) -> dict[str, Any]:
    """A name that nobody has and a character, for a world's agent of this ordinal; others at each `turn`."""
    chance, used = Chance(seed, ordinal, turn, "suggested"), set(taken)
    free = [name for name in NAMES if name not in used] or [f"{chance.pick(NAMES)} {ordinal}"]
    return {"name": chance.pick(free), **{trait: round(chance.between(0.1, 0.9), 2) for trait in TRAITS}}


# --- Zones ---------------------------------------------------------------------------------------------------


class NewZone(Refusable):
    """A zone to be made, with open ways to others of its world."""

    name = forms.CharField(max_length=100, help_text="Unique in its world.")
    description = forms.CharField(max_length=1000, required=False, widget=_text(2))
    capacity = forms.IntegerField(
        initial=100, min_value=0, max_value=100_000, help_text="Most agents that may be there at once."
    )
    neighbours = forms.MultipleChoiceField(
        label="Ways lead to", required=False, widget=forms.CheckboxSelectMultiple, help_text="In both directions."
    )
    permissions = forms.TypedMultipleChoiceField(
        label="Members of the world may",
        required=False,
        coerce=int,
        choices=[(bit.value, words) for bit, words in ALLOWS.items()],
        initial=[Permission.SPAWN_AGENTS.value, Permission.BROADCAST_EVENTS.value],
        widget=forms.CheckboxSelectMultiple,
    )
    movement_cost = forms.FloatField(
        initial=3.0, min_value=0, max_value=1000, help_text="Energy that leaving for a neighbour costs, of 100."
    )
    interaction_range = forms.FloatField(
        initial=30.0,
        min_value=0.1,
        max_value=1000,
        help_text="Distance within which agents are near; a zone is 100 wide.",
    )
    environment_interval = forms.IntegerField(
        label="Weather every", initial=30, min_value=1, max_value=100_000, help_text="World ticks."
    )
    RULES = ("movement_cost", "interaction_range", "environment_interval")

    def __init__(self, *args: Any, zones: Sequence[tuple[Any, str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["neighbours"].choices = [(str(pk), name) for pk, name in zones]  # type: ignore[attr-defined]
        if not zones:
            del self.fields["neighbours"]

    @property
    def rules(self) -> list[forms.BoundField]:
        """The fields that most leave as they are."""
        return [self[name] for name in self.RULES]

    @property
    def spec(self) -> dict[str, Any]:
        """The columns of the zone."""
        names = ("name", "description", "capacity", *self.RULES)
        return {
            **{name: self.cleaned_data[name] for name in names},
            "permissions": sum(self.cleaned_data["permissions"]),
        }


# --- Happenings ----------------------------------------------------------------------------------------------


class Happening(Refusable):
    """Something that shall happen in a zone, which everybody there notices."""

    text = forms.CharField(
        label="What to make known",
        max_length=inputs.MOST_OF_TEXT,
        widget=_text(2, placeholder="A bell rings three times.", autocomplete="off"),
    )
    event = forms.RegexField(
        label="Its name for programs",
        regex=r"^[a-z][a-z0-9_.:-]{0,63}$",
        initial="announcement",
        help_text="Small letters, digits and _ . : -",
        error_messages={"invalid": "Begin with a small letter; then small letters, digits and _ . : - fit, 64 in all."},
    )

    def pushed(self, *, user: Any, by: str) -> Input:
        """As clients of the socket send it. Raises: AgentError."""
        given: Mapping[str, Any] = {"event": self.cleaned_data["event"], "text": self.cleaned_data["text"]}
        return Input(verb="broadcast", given=inputs.parse("broadcast", given), agent_id=None, user=user, by=by)
