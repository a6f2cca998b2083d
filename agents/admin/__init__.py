"""Agents, what they say to each other, and what their thinking takes, in the admin."""

from agents.admin.agents import AgentAdmin, ModAdmin, TickLogAdmin
from agents.admin.messages import MessageAdmin
from agents.admin.minds import EndpointAdmin, PriceAdmin, ReasonerProcessAdmin, SwitchAdmin, ThoughtAdmin
from agents.admin.prompts import PromptTemplateAdmin
from agents.admin.spending import ModelCallAdmin, SpendingAdmin, SpendingCapAdmin

__all__ = [
    "AgentAdmin",
    "EndpointAdmin",
    "MessageAdmin",
    "ModAdmin",
    "ModelCallAdmin",
    "PriceAdmin",
    "PromptTemplateAdmin",
    "ReasonerProcessAdmin",
    "SpendingAdmin",
    "SpendingCapAdmin",
    "SwitchAdmin",
    "ThoughtAdmin",
    "TickLogAdmin",
]
