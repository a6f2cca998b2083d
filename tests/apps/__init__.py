"""Domains for tests: real `DomainConfig`s, entered into Django's registry of apps for the time of one test."""

from __future__ import annotations

import sys
from collections.abc import Callable

import pytest
from django.apps import apps

from domains.lifecycle import DomainConfig, Tick

PREFIX = "probe_"


class Probe(DomainConfig):
    """Writes down what is asked of it, and fails where it is told to."""

    def __init__(self, domain: str, depends_on: tuple[str, ...] = ()) -> None:
        self.label = self.domain = PREFIX + domain
        super().__init__(self.label, sys.modules[__name__])
        self.apps, self.models = apps, {}  # what Django sets when it loads an app
        self.depends_on = tuple(PREFIX + name for name in depends_on)
        self.calls: list[str] = []
        self.failures: dict[str, BaseException] = {}
        self.during: dict[str, Callable[[], None]] = {}

    def _note(self, hook: str, detail: object) -> None:
        self.calls.append(f"{hook} {detail}")
        if hook in self.during:
            self.during[hook]()
        if hook in self.failures:
            raise self.failures[hook]

    def activate(self, tick: Tick) -> None:
        self._note("activate", tick.number)

    def on_tick(self, tick: Tick) -> None:
        self._note("on_tick", tick.number)

    def deactivate(self, reason: str) -> None:
        self._note("deactivate", reason)

    def health(self) -> dict[str, object]:
        self._note("health", "")
        return {"asked": len(self.calls)}


Install = Callable[..., Probe]


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch) -> Install:
    """`install("a", depends_on=("b",))` makes `probe_a` an installed domain until the test ends."""

    def enter(domain: str, depends_on: tuple[str, ...] = ()) -> Probe:
        probe = Probe(domain, depends_on)
        monkeypatch.setitem(apps.app_configs, probe.label, probe)
        return probe

    return enter
