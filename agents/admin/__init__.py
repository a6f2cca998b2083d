"""Agents, what they say to each other, and what their thinking takes, in the admin."""

from agents.admin.agents import AgentAdmin, ModAdmin
from agents.admin.board import BoardWriteAdmin
from agents.admin.embodiment import EmbodimentAdmin
from agents.admin.messages import MessageAdmin
from agents.admin.minds import EndpointAdmin, PriceAdmin, ReasonerProcessAdmin, SwitchAdmin, ThoughtAdmin
from agents.admin.outside import OutsideCallAdmin
from agents.admin.prompts import PromptTemplateAdmin
from agents.admin.pulses import WorldPulseAdmin
from agents.admin.spending import ModelCallAdmin, SpendingAdmin, SpendingCapAdmin
from agents.admin.ticks import TickLogAdmin

__all__ = [
    "AgentAdmin",
    "BoardWriteAdmin",
    "EmbodimentAdmin",
    "EndpointAdmin",
    "MessageAdmin",
    "ModAdmin",
    "ModelCallAdmin",
    "OutsideCallAdmin",
    "PriceAdmin",
    "PromptTemplateAdmin",
    "ReasonerProcessAdmin",
    "SpendingAdmin",
    "SpendingCapAdmin",
    "SwitchAdmin",
    "ThoughtAdmin",
    "TickLogAdmin",
    "WorldPulseAdmin",
]
