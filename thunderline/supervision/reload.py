"""Restarts the application when its source changes. Runs as a program of the system (`manage.py up
--reload`)."""

from __future__ import annotations

import sys

import watchfiles

from thunderline.config import config
from thunderline.embedded.places import SOURCE, Places
from thunderline.supervision import supervisor

FOLDERS = ("thunderline", "agents", "zones", "memory", "domains", "mcp", "templates")
STAGES = ["workers", "web", "beat"]


def stages(changed: set[str]) -> list[str]:
    """Those that run what changed: templates are the web's alone."""
    if any(path.endswith(".py") for path in changed):
        return STAGES
    return ["web"] if any(path.endswith(".html") for path in changed) else []


def main() -> None:
    places = Places.of(config().var_dir)
    folders = [SOURCE / name for name in FOLDERS if (SOURCE / name).is_dir()]
    for changes in watchfiles.watch(*folders, raise_interrupt=False):
        if names := stages({path for _, path in changes}):
            print(f"Source changed: restarting {', '.join(names)}.", file=sys.stderr, flush=True)  # noqa: T201
            supervisor.restart_stages(places, names)


if __name__ == "__main__":
    main()
