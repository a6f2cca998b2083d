"""Rows of agents: themselves and their ticks, the messages between them and people, and what thinking takes."""

from agents.models.agents import STATS, TRAITS, TRANSITIONS, Agent, Lifecycle, Mod, TickLog
from agents.models.board import BoardWrite
from agents.models.embodiment import Embodiment
from agents.models.messages import Message
from agents.models.minds import (
    Endpoint,
    ModelCall,
    Price,
    PromptTemplate,
    ReasonerProcess,
    Spending,
    SpendingCap,
    Switch,
    Thought,
)
from agents.models.outside import OutsideCall
from agents.models.pulses import WorldPulse

__all__ = [
    "STATS",
    "TRAITS",
    "TRANSITIONS",
    "Agent",
    "BoardWrite",
    "Embodiment",
    "Endpoint",
    "Lifecycle",
    "Message",
    "Mod",
    "ModelCall",
    "OutsideCall",
    "Price",
    "PromptTemplate",
    "ReasonerProcess",
    "Spending",
    "SpendingCap",
    "Switch",
    "Thought",
    "TickLog",
    "WorldPulse",
]
