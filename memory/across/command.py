"""`manage.py memory search --everywhere` and `manage.py memory index`."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime
from typing import Any

from django.core.management.base import CommandError
from django.db import OperationalError
from django.utils import timezone
from rich.console import Console
from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bar

from domains import console
from memory import owners
from memory.across import queries, upkeep

COLUMNS = ("score", "when", "agent", "world", "kind", "memory")


def add_everywhere(search: ArgumentParser) -> None:
    """Its arguments of `search`, beside those of one agent's."""
    search.add_argument("--everywhere", metavar="TEXT", help="of all agents, or of those of --world, instead of one's")


def search(
    stdout: Any, /, *, everywhere: str | None, agent: str | None, world: str | None,
    kind: list[str] | None, tag: list[str] | None, limit: int, as_of: datetime | None, json: bool, **_: Any,
) -> bool:  # fmt: skip
    """Print to a command's `self.stdout`. Whether it was asked for: otherwise the search is of one agent.

    Raises: CommandError, NobodyMeant, InvalidQuestion, NoVector.
    """
    if everywhere is None:
        return False
    if agent is not None:
        raise CommandError("either an agent or --everywhere")
    world_id = owners.world(world) if world else None
    found = queries.search_all(
        everywhere, limit=limit, world_id=world_id, kinds=kind or None, tags=tag or None, as_of=as_of
    )
    if json:
        console.write_json(stdout, [asdict(one) for one in found])
        return True
    rows = [
        (f"{one.score:.3f}", f"{timezone.localtime(one.inserted_at):%Y-%m-%d %H:%M}", one.agent, one.world, one.kind,
         one.content) for one in found
    ]  # fmt: skip
    console.console(stdout).print(console.table(COLUMNS, rows, numbers=("score",)))
    return True


def index(stdout: Any, *, json: bool) -> None:
    """Let there be the index that there should be, and say what there is. Raises: CommandError."""
    try:
        with _bar() as tell:
            done = upkeep.tend(tell=tell)
    except OperationalError as error:
        raise CommandError(f"the index was not built: {str(error).strip()}; call it again to go on") from error
    if json:
        console.write_json(stdout, asdict(done))
    else:
        stdout.write(said(done))


def said(done: upkeep.Report) -> str:
    """A report in words."""
    there = f"{done.rows:,} memories of {done.embedder}"
    if done.index:
        there += f": {done.index} with {done.lists:,} lists, {done.bytes / 1e6:,.0f} MB."
    else:
        there += " have no index: searches across agents read them all."
    did = {
        "nothing": "Nothing was to be done.",
        "built": f"It was built in {done.seconds:,.1f} s.",
        "replaced": f"It was built anew in {done.seconds:,.1f} s.",
        "dropped": "They are too few for one.",
        "busy": "Another process is at it.",
    }[done.did]
    removed = f" Removed: {', '.join(done.removed)}." if done.removed else ""
    return f"{there} {did}{removed}"


@contextmanager
def _bar() -> Iterator[upkeep.Tell | None]:
    """A bar on standard error, if somebody looks."""
    if not sys.stderr.isatty():
        yield None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    with Bar(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task("memory index", total=None)
        yield lambda now: bar.update(task, description=now.phase, completed=now.done, total=now.total or None)
