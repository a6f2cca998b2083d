"""A mod: it brings the capability that the action needs, opens the tool, and makes its bearer a little stricter."""

from agents.specs import Effects, ModSpec

LAMP = ModSpec(
    name="keeper of the lamp",
    kind="capability",
    duration=500,
    effects=Effects(
        new_capabilities=["lamp"],
        tool_access=["tides"],
        trait_modifiers={"conscientiousness": 0.2},
        action_weights={"light_the_lamp": 0.5},
    ),
)
