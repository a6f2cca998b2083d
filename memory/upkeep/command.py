"""`manage.py memory upkeep`: looks after agents here and now, whether they are due or not, and says what was done."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils import timezone
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from domains import console, sql
from domains.thunderflow.context import acting
from memory import owners
from memory.upkeep import state, stints
from memory.upkeep.limits import BY
from memory.upkeep.stints import Done

LINKED_FOR_S = 3600.0
# Those that are not linked yet, in a dry run: linking would take up those of all agents.
TRY_UNLINKED = """
INSERT INTO memory_forms (memory_id, agent_id) SELECT m.id, m.agent_id
FROM memory_nodes m JOIN memory_unlinked u ON u.memory_id = m.id WHERE m.agent_id = %s ON CONFLICT DO NOTHING
"""
OF_WORLD = "SELECT id FROM pac_agents WHERE world_id = %s ORDER BY ordinal"
WITHOUT_ROW = "SELECT DISTINCT m.agent_id FROM memory_unlinked u JOIN memory_nodes m ON m.id = u.memory_id"


def add_arguments(parser: ArgumentParser) -> None:
    """Arguments of the subcommand; `--world` and `--json` are those of every one of them."""
    parser.add_argument("--agent", metavar="AGENT", help="only this one: name or id")
    parser.add_argument("--dry-run", action="store_true", help="say what would be done, and ask no model")


def handle(stdout: Any, /, *, agent: str | None, world: str | None, json: bool, dry_run: bool, **_: Any) -> None:
    """Print to a command's `self.stdout`. Raises: NobodyMeant."""
    if agent is not None:
        whose: Sequence[UUID] = [owners.agent(agent, world=world).id]
    elif world is not None:
        whose = [row[0] for row in sql.fetch_rows(OF_WORLD, [owners.world(world)])]
    else:
        whose = list(dict.fromkeys([*state.known(), *(row[0] for row in sql.fetch_rows(WITHOUT_ROW))]))
    with acting(actor=BY):
        done = _look_after(whose, dry_run=dry_run)
    counts = {name: count for name, count in asdict(done).items() if name not in ("more", "elsewhere")}
    stands = state.standing()
    if json:
        console.write_json(stdout, {"dry_run": dry_run, "done": counts, "left": asdict(stands)})
        return
    rows = [(name.replace("_", " "), f"{count:,}") for name, count in counts.items()]
    what = "would be done" if dry_run else "done"
    console.console(stdout).print(console.table((what, "count"), rows, numbers=("count",)))
    stdout.write(
        f"{stands.due:,} of {stands.agents:,} agents are due, for {stands.lag_s:,.0f} s at most; {stands.to_link:,} "
        f"memories wait to be linked, {stands.to_compare:,} to be compared, {stands.to_embed:,} to be embedded."
    )


def _look_after(agent_ids: Sequence[UUID], *, dry_run: bool) -> Done:
    """Each agent until nothing is left to do for it."""
    now, done = timezone.now(), Done()
    if not dry_run:
        done.add(stints.link(now=now, seconds=LINKED_FOR_S))
    with _bar(len(agent_ids)) as step:
        for agent_id in agent_ids:
            if dry_run:
                with transaction.atomic():
                    sql.execute(TRY_UNLINKED, [agent_id])
                    done.add(_to_the_end(agent_id, now, ask=False))
                    transaction.set_rollback(True)
            else:
                done.add(_to_the_end(agent_id, now, ask=True))
            step()
    return done


def _to_the_end(agent_id: UUID, now: Any, *, ask: bool) -> Done:
    found = Done()
    while True:
        visited = stints.visit(agent_id, now=now, wait=True, ask=ask)
        more, kept = visited.more, visited.kept_over_budget
        found.add(visited)
        found.agents, found.kept_over_budget, found.more = 1, kept, False
        if not more:
            return found


@contextmanager
def _bar(total: int) -> Iterator[Any]:
    """A bar on standard error, if somebody looks."""
    if not sys.stderr.isatty():
        yield lambda: None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True)) as bar:
        task = bar.add_task("agents", total=total)
        yield lambda: bar.advance(task)
