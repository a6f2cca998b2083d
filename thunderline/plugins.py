"""Packages of other people: modules that register behaviours, mods, reasoners and tools when they are imported.

A package names itself in the entry point group `thunderline.plugins` (the module to import), or an operator names
modules in `THUNDERLINE_PLUGINS`. See `docs/how-to/extend.md`.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from types import ModuleType

from thunderline.config import ConfigError, config

GROUP = "thunderline.plugins"


def names() -> list[str]:
    """Modules to import, installed ones first, in a stable order."""
    installed = sorted(point.value for point in entry_points(group=GROUP))
    return list(dict.fromkeys([*installed, *config().plugins]))


@cache
def modules() -> tuple[ModuleType, ...]:
    """Import every plug-in. Call once apps are ready. Raises: ConfigError naming the module that fails."""
    loaded = []
    for name in names():
        try:
            loaded.append(import_module(name))
        except ImportError as error:
            raise ConfigError(f"THUNDERLINE_PLUGINS: cannot import {name!r}: {error}") from error
    return tuple(loaded)
