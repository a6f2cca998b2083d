"""`manage.py memory`: search and store memories, count them, take them out and in, go over to another embedder."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO, cast
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError
from django.db import transaction
from django.utils import timezone
from django.utils.dateparse import parse_date, parse_datetime
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from domains import console
from domains.console import between
from domains.thunderflow.context import acting
from memory import actions, exchange, owners, queries
from memory.across import command as across
from memory.actions import upkeep
from memory.actions.upkeep import Tell
from memory.embedders import EmbeddingFailed
from memory.errors import VaultError
from memory.graph import command as graph
from memory.models import MemoryNode
from memory.upkeep import command as care

OPERATOR = "operator"
LEAST_SHOWN = 0.005


class Command(BaseCommand):
    help = "Memories: search, store, count, export, import, and give them vectors of another embedder."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True)
        search = verbs.add_parser("search", help="an agent's memories nearest to a text, and why")
        search.add_argument("agent", metavar="AGENT", nargs="?", help="name or id")
        search.add_argument("text", metavar="TEXT", nargs="?")
        across.add_everywhere(search)
        search.add_argument("--limit", type=between(int, 1, 1000), default=10, metavar="N", help="at most (10)")
        search.add_argument("--kind", choices=MemoryNode.Kind.values, action="append", help="only these; repeat it")
        search.add_argument("--tag", action="append", help="only those with it; repeat it for all of several")
        search.add_argument("--as-of", type=_instant, metavar="WHEN", help="of what held then: 2026-05-01T12:00")
        _add_store(verbs.add_parser("store", help="let an agent remember something"))
        stats = verbs.add_parser("stats", help="how many there are, by kind and embedder")
        stats.add_argument("agent", metavar="AGENT", nargs="?", help="only of this one: name or id")
        export = verbs.add_parser("export", help="an agent's memories as JSON lines")
        bring = verbs.add_parser("import", help="memories from such a file; what is there already merges")
        for verb in (export, bring):
            verb.add_argument("agent", metavar="AGENT", help="name or id")
            verb.add_argument("file", metavar="FILE", help="- is standard output or input")
        reembed = verbs.add_parser("reembed", help="give all memories vectors of the embedder that is set; goes on")
        reembed.add_argument("--batch", type=between(int, 1, 10_000), default=upkeep.BATCH, metavar="N", help="(256)")
        verbs.add_parser("index", help="build the index across agents, or replace it, if it is time to")
        graph.add_arguments(verbs.add_parser("graph", help="what is around a memory, who is named, which facts hold"))
        care.add_arguments(verbs.add_parser("upkeep", help="merge, sum up and let go here and now; see what that was"))
        for name, verb in verbs.choices.items():
            if name not in ("reembed", "index"):
                verb.add_argument("--world", help="the world, when several are meant")
            verb.add_argument("--json", action="store_true", help="one JSON document")

    def handle(self, *args: Any, verb: str, **options: Any) -> None:
        handler: Callable[..., None] = getattr(self, f"_{verb}")
        try:
            with acting(actor=OPERATOR):
                handler(**options)
        except VaultError as error:
            raise CommandError(str(error)) from error
        except EmbeddingFailed as error:
            raise CommandError(f"the embedder: {error}; call it again to go on") from error

    def _search(
        self,
        *,
        agent: str | None,
        text: str | None,
        world: str | None,
        limit: int,
        kind: list[str] | None,
        tag: list[str] | None,
        as_of: datetime | None,
        json: bool,
        **options: Any,
    ) -> None:
        filters: dict[str, Any] = {"limit": limit, "kind": kind, "tag": tag, "as_of": as_of}
        if across.search(self.stdout, agent=agent, world=world, json=json, **filters, **options):
            return
        if agent is None or text is None:
            raise CommandError("AGENT and TEXT are needed, or --everywhere TEXT")
        owner = owners.agent(agent, world=world)
        found = queries.search(owner.id, text, limit=limit, kinds=kind, tags=tag, as_of=as_of, explain=True)
        if json:
            console.write_json(self.stdout, [asdict(one) for one in found])
            return
        rows = [(f"{one.score:.2f}", _why(one.parts), _shown(one.inserted_at), one.kind, one.content) for one in found]
        columns = ("score", "because of", "when", "kind", "memory")
        console.console(self.stdout).print(console.table(columns, rows, numbers=("score",)))

    def _store(self, *, agent: str, text: str, world: str | None, tag: list[str], json: bool, **options: Any) -> None:
        owner = owners.agent(agent, world=world)
        names = ("kind", "importance", "valence", "summary", "at", "valid_from", "valid_to")
        with transaction.atomic():
            node_id = actions.store(
                owner.id, text, tags=tuple(tag), source={"by": OPERATOR}, **{name: options[name] for name in names}
            )
        node = MemoryNode.objects.defer("embedding").get(pk=cast(UUID, node_id))
        data = {
            "id": node.pk, "agent": owner.name, "world": owner.world, "content": node.content,
            "seen_count": node.seen_count, "merged": node.seen_count > 1, "embedder": node.embedder,
        }  # fmt: skip
        if json:
            console.write_json(self.stdout, data)
        elif node.seen_count > 1:
            self.stdout.write(f"{owner.name} remembers that already, now {node.seen_count} times: {node.pk}")
        else:
            self.stdout.write(f"{owner.name} remembers it: {node.pk}")

    def _stats(self, *, agent: str | None, world: str | None, json: bool, **_: Any) -> None:
        owner = owners.agent(agent, world=world) if agent else None
        world_id = owners.world(world) if world and not agent else None
        data = queries.stats(owner.id if owner else None, world_id)
        # An agent's own rows were read anyway; the figures of many are those that upkeep keeps.
        serving = queries.health(owner.id if owner else None, world_id, live_at=timezone.now() if owner else None)
        if json:
            console.write_json(self.stdout, {**data, "health": serving.as_dict()})
            return
        names = ("memories", "agents", "stored", "merged", "waiting", "refused", "ended")
        rows: list[tuple[str, object]] = [(name, f"{data[name]:,}") for name in names]
        rows += [(kind, f"{count:,}") for kind, count in sorted(data["by_kind"].items())]
        rows += [(f"by {name or 'none yet'}", f"{count:,}") for name, count in sorted(data["by_embedder"].items())]
        rows += [("first", _shown(data["first_at"])), ("last", _shown(data["last_at"]))]
        rows += _serving(serving)
        console.console(self.stdout).print(console.table(("what", "count"), rows, numbers=("count",)))

    def _export(self, *, agent: str, file: str, world: str | None, json: bool, **_: Any) -> None:
        owner = owners.agent(agent, world=world)
        count = -1
        with _opened(file, "wb") as out:
            for line in exchange.export(owner, now=timezone.now()):
                out.write(line)
                count += 1
        if file != "-":
            data = {"agent": owner.name, "world": owner.world, "file": file, "memories": count}
            self._say(json, data, f"{count:,} memories of {owner.name} are in {file}.")

    def _import(self, *, agent: str, file: str, world: str | None, json: bool, **_: Any) -> None:
        owner = owners.agent(agent, world=world)
        with _opened(file, "rb") as lines:
            brought = exchange.bring(owner, lines)
        data = {"agent": owner.name, "world": owner.world, **brought.model_dump()}
        self._say(
            json,
            data,
            f"{owner.name} has {brought.new:,} more memories; {brought.merged:,} merged with equal ones, "
            f"{brought.skipped:,} were there already. {brought.mentions:,} mentions and {brought.facts:,} facts.",
        )

    def _reembed(self, *, batch: int, json: bool, **_: Any) -> None:
        with _bar() as tell:
            done = actions.reembed(batch=batch, tell=tell)
        refused = f" {done.refused:,} were refused by it." if done.refused else ""
        self._say(json, asdict(done), f"{done.done:,} memories went over to {done.embedder}.{refused}")

    def _index(self, *, json: bool, **_: Any) -> None:
        across.index(self.stdout, json=json)

    def _graph(self, **options: Any) -> None:
        graph.handle(self.stdout, **options)

    def _upkeep(self, **options: Any) -> None:
        care.handle(self.stdout, **options)

    def _say(self, json: bool, data: object, text: str) -> None:
        if json:
            console.write_json(self.stdout, data)
        else:
            self.stdout.write(text)


def _add_store(verb: ArgumentParser) -> None:
    verb.add_argument("agent", metavar="AGENT", help="name or id")
    verb.add_argument("text", metavar="TEXT")
    verb.add_argument("--kind", choices=MemoryNode.Kind.values, default="episodic", help="(episodic)")
    verb.add_argument("--importance", type=between(float, 0, 1), default=0.5, metavar="N", help="0 to 1 (0.5)")
    verb.add_argument("--valence", type=between(float, -1, 1), default=0.0, metavar="N", help="-1 to 1 (0)")
    verb.add_argument("--summary", default="", help="a shorter way to say it")
    verb.add_argument("--tag", action="append", default=[], help="may be given several times")
    verb.add_argument("--at", type=_instant, metavar="WHEN", help="when it was, if not now")
    verb.add_argument("--valid-from", type=_instant, metavar="WHEN", help="since when it holds, if not since then")
    verb.add_argument("--valid-to", type=_instant, metavar="WHEN", help="until when it holds, if not for good")


def _instant(text: str) -> datetime:
    """An argparse type: a date or an instant, in the time zone of the pages unless it names one."""
    try:
        found, day = parse_datetime(text), parse_date(text)
    except ValueError:
        found, day = None, None
    if found is None and day:
        found = datetime(day.year, day.month, day.day)
    if found is None:
        raise ArgumentTypeError(f"{text!r} is no date or instant; they look like 2026-05-01T12:00")
    return found if found.tzinfo else timezone.make_aware(found)


def _why(parts: Mapping[str, float]) -> str:
    """The parts of a score that can be seen in it."""
    return ", ".join(f"{name} {share:.2f}" for name, share in parts.items() if abs(share) >= LEAST_SHOWN)


def _serving(found: queries.Health) -> list[tuple[str, object]]:
    """The figures of health; how old they are, when they were not counted just now."""
    rows: list[tuple[str, object]] = [
        ("junk rate", _rate(found.junk_rate)),
        ("duplicate rate", _rate(found.duplicate_rate)),
        ("hit rate", _rate(found.hit_rate)),
        *((name, f"{getattr(found, name):,}") for name in ("junk", "near_duplicates", "recalls", "hits")),
    ]
    return [*rows, ("health as of", _shown(found.refreshed_at) or "not counted yet")]


def _rate(rate: float | None) -> str:
    return "" if rate is None else f"{rate:.1%}"


def _shown(at: datetime | None) -> str:
    return f"{timezone.localtime(at):%Y-%m-%d %H:%M}" if at else ""


@contextmanager
def _opened(file: str, mode: str) -> Iterator[BinaryIO]:
    if file == "-":
        yield sys.stdout.buffer if mode == "wb" else sys.stdin.buffer
        return
    try:
        with Path(file).open(mode) as found:
            yield cast(BinaryIO, found)
    except OSError as error:
        raise CommandError(f"{file}: {error.strerror}") from error


@contextmanager
def _bar() -> Iterator[Tell]:
    """A bar on standard error, if somebody looks."""
    if not sys.stderr.isatty():
        yield lambda progress: None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True)) as bar:
        task = bar.add_task("memories", total=None)

        def tell(progress: upkeep.Progress) -> None:
            done = progress.done + progress.refused
            bar.update(task, completed=done, total=done + progress.left, description=progress.embedder)

        yield tell
