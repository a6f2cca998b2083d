"""The contract of a Thunder domain: an AppConfig that waits for a heartbeat, activates, ticks, and can be switched off.

States and who moves them (rows and transitions are in `thunderblock`):

    waiting ──activate()──► active ──deactivate()──► inactive (an operator's wish; survives restarts)
       ▲                      │ activate(), on_tick or health() failed
       └── each start         ▼
                           crashed ──after a growing delay──► restarting ──activate()──► active
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from django.apps import AppConfig, apps
from django.dispatch import Signal

clock_opened = Signal()
"""Sent after commit when worlds may advance; whoever runs ticks wakes its workers."""


@dataclass(frozen=True, slots=True)
class Tick:
    """One heartbeat: its number (from 1, never reused) and the aware UTC instant at which it was counted."""

    number: int
    at: datetime


class Unhealthy(Exception):
    """Raised by `health()`: the domain cannot do its work. The message is shown to operators."""


class DomainConfig(AppConfig):
    """Base of every domain's AppConfig. Hooks run in a worker, each with a time limit, and may be called again."""

    default = False  # imported into every apps.py, where Django looks for the one config that it shall use

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        cls.default = True

    domain: str
    """Name in the registry, at most 100 characters."""
    depends_on: tuple[str, ...] = ()
    """Domains that must be active before this one."""

    def activate(self, tick: Tick) -> None:
        """Make ready. Raising anything makes the domain `crashed`; it is tried again later."""

    def on_tick(self, tick: Tick) -> None:
        """Do what is due each heartbeat. Raising is counted and logged; it holds up no other domain."""

    def deactivate(self, reason: str) -> None:
        """Let go of what `activate` took."""

    def health(self) -> dict[str, object]:
        """Figures for operators. Raises: Unhealthy."""
        return {}


def all_domains() -> Iterator[DomainConfig]:
    """Installed domains, those depended on first, by name within the same depth."""
    left = {c.domain: c for c in apps.get_app_configs() if isinstance(c, DomainConfig)}
    done: set[str] = set()
    while left:
        ready = sorted(name for name, c in left.items() if done.issuperset(c.depends_on))
        if not ready:
            raise RuntimeError(f"domains depend on each other or on one that is not installed: {sorted(left)}")
        for name in ready:
            done.add(name)
            yield left.pop(name)


def domain(name: str) -> DomainConfig:
    """Raises: KeyError when no installed domain has that name."""
    for config in apps.get_app_configs():
        if isinstance(config, DomainConfig) and config.domain == name:
            return config
    raise KeyError(name)
