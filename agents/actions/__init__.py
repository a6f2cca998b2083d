"""Writes to agents from outside their ticks. Zones are locked first, by id, then agents: as the engine does."""

from agents.actions.endpoints import add_endpoint, change_endpoint, find_endpoint, remove_endpoint, set_cap, set_price
from agents.actions.lives import (
    activate,
    apply_mod,
    archive,
    birthplace,
    build_mod,
    create,
    create_many,
    delete_all,
    edit,
    remove_mod,
    suspend,
    unarchive,
)
from agents.actions.messages import send
from agents.actions.minds import allow_calls, reset_breaker, stop_calls, use_prompt, write_prompt
from agents.actions.ticks import act_as, force_tick
from agents.errors import AgentError

__all__ = [
    "AgentError",
    "act_as",
    "activate",
    "add_endpoint",
    "allow_calls",
    "apply_mod",
    "archive",
    "birthplace",
    "build_mod",
    "change_endpoint",
    "create",
    "create_many",
    "delete_all",
    "edit",
    "find_endpoint",
    "force_tick",
    "remove_endpoint",
    "remove_mod",
    "reset_breaker",
    "send",
    "set_cap",
    "set_price",
    "stop_calls",
    "suspend",
    "unarchive",
    "use_prompt",
    "write_prompt",
]
