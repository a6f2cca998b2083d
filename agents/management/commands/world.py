"""`manage.py world`: load, export, reset, delete, watch and step worlds."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text

from agents import status, stepping
from agents.errors import AgentError
from agents.world_files import exporting, loading, reading, telling
from agents.world_files.mistakes import BadFile, meant
from agents.world_files.schema import json_schema
from domains import console
from domains.thunderblock import queries as registry
from domains.thunderflow import queries as thunderflow
from domains.thunderflow.context import acting
from domains.thunderlink import heartbeat
from zones import queries as zones
from zones.actions import worlds
from zones.errors import ZoneError

OPERATOR = "operator"
SHOWN = 60


class Command(BaseCommand):
    help = "Worlds: load one from a file, export, reset or delete it, see how it is, stop its clock and let it go."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True)
        load = verbs.add_parser("load", help="make a world from a YAML file, or change it to what the file says")
        load.add_argument("file", help="the file; - reads standard input")
        load.add_argument("--dry-run", action="store_true", help="only show what would change")
        load.add_argument("--owner", metavar="USERNAME", help="who the world belongs to")
        load.add_argument("--reset", action="store_true", help="begin the world anew from this file")
        load.add_argument("--yes", action="store_true", help="do not ask before --reset")
        export = verbs.add_parser("export", help="write a world as it stands as a world file")
        export.add_argument("--source", action="store_true", help="the file that it was loaded from instead")
        export.add_argument("--output", metavar="FILE", help="where to, if not standard output")
        for name, text in (("reset", "back to the file it was loaded from, at tick 0"), ("delete", "with all in it")):
            verbs.add_parser(name, help=text).add_argument("--yes", action="store_true", help="do not ask")
        verbs.add_parser("schema", help="JSON Schema of world files")
        verbs.add_parser("status", help="clock, zones and agents of one world or of all")
        verbs.add_parser("pause", help="stop the clock")
        verbs.add_parser("resume", help="let heartbeats move the clock again")
        step = verbs.add_parser("step", help="let the clock go on by some ticks and tell what happened")
        step.add_argument("--ticks", type=int, default=1, metavar="N", help="how many (1)")
        step.add_argument("--wait", action="store_true", help="tick it here and wait, whether workers run or not")
        for name, verb in verbs.choices.items():
            if name not in ("load", "schema"):
                verb.add_argument("name", metavar="NAME", nargs="?" if name == "status" else None, help="the world")
            if name not in ("export", "schema"):
                verb.add_argument("--json", action="store_true", help="one JSON document")

    def handle(self, *args: Any, verb: str, **options: Any) -> None:
        try:
            with acting(actor=OPERATOR):
                getattr(self, f"_{verb}")(**options)
        except BadFile as error:
            if options.get("json"):
                mistakes = [asdict(mistake) for mistake in error.mistakes]
                console.write_json(self.stdout, {"action": "refused", "mistakes": mistakes})
            raise CommandError(str(error)) from error
        except (AgentError, ZoneError) as error:
            raise CommandError(str(error)) from error

    # --- Files -----------------------------------------------------------------------------------------------

    def _load(
        self, *, file: str, dry_run: bool, owner: str | None, reset: bool, yes: bool, json: bool, **_: Any
    ) -> None:
        document = reading.read(_text(file), file=file if file != "-" else "standard input")
        user = _user(owner) if owner else None
        if dry_run:
            plan = loading.preview(document, owner=user, reset=reset)
        else:
            if reset and zones.worlds().filter(name=document.world.name).exists():
                self._confirm(f"Begin {document.world.name} anew? Its ticks and memories will be gone.", yes)
            with _progress(len(document.world.agents)) as made:
                plan = loading.load(document, by=OPERATOR, owner=user, reset=reset, progress=made)
        if json:
            console.write_json(self.stdout, telling.as_data(plan, dry_run=dry_run))
        else:
            for line in telling.in_words(plan, dry_run=dry_run):
                self.stdout.write(line)

    def _export(self, *, name: str, source: bool, output: str | None, **_: Any) -> None:
        world = _world(name)
        if source and not (kept := zones.source(world.pk)):
            raise CommandError(f"{name} was made by hand and has no file; export it without --source")
        text = exporting.to_yaml(kept if source else exporting.export(world))
        if output is None:
            self.stdout.write(text, ending="")
            return
        try:
            Path(output).write_text(text, encoding="utf-8")
        except OSError as error:
            raise CommandError(f"{output}: {error.strerror}") from error

    def _schema(self, **_: Any) -> None:
        console.write_json(self.stdout, json_schema())

    def _reset(self, *, name: str, yes: bool, json: bool, **_: Any) -> None:
        world = _world(name)
        self._confirm(f"Reset {name}? {world.tick} world ticks and all memories will be gone.", yes)
        with _progress(0) as made:
            file = loading.reset(name, by=OPERATOR, progress=made)
        said = {"world": name, "action": "reset", "zones": len(file.zones), "agents": len(file.agents)}
        self._say(said, f"{name} begins anew: {len(file.zones)} zones, {len(file.agents)} agents, tick 0.", json)

    def _delete(self, *, name: str, yes: bool, json: bool, **_: Any) -> None:
        _world(name)
        self._confirm(f"Delete {name} with all that lives and is remembered in it?", yes)
        count = loading.delete(name, by=OPERATOR)
        self._say({"world": name, "action": "delete", "agents": count}, f"{name} is gone, with {count} agents.", json)

    def _confirm(self, question: str, yes: bool) -> None:
        if yes:
            return
        if not sys.stdin.isatty():
            raise CommandError(f"{question} Say so with --yes.")
        if input(f"{question} [y/N] ").strip().lower() not in ("y", "yes"):
            raise CommandError("nothing was changed")

    # --- The clock -------------------------------------------------------------------------------------------

    def _pause(self, *, name: str, json: bool, **_: Any) -> None:
        world = worlds.pause(_world(name).pk)
        self._say(_clock(world), f"{name} is paused at tick {world.tick}.", json)

    def _resume(self, *, name: str, json: bool, **_: Any) -> None:
        world = worlds.resume(_world(name).pk)
        hint = "" if heartbeat.stats().beating else " Nothing moves it until the system runs (`make run`)."
        self._say(_clock(world), f"{name} goes on from tick {world.tick}.{hint}", json)

    def _step(self, *, name: str, ticks: int, wait: bool, json: bool, **_: Any) -> None:
        """With nothing running, waiting is the only way that the step is ever done."""
        before, here = _world(name), wait or not heartbeat.stats().beating
        if here and (domain := registry.domain_status("thunderpac")) and not domain.enabled:
            raise CommandError("thunderpac is switched off; `manage.py domains activate thunderpac` first")
        position = thunderflow.settled()
        world = worlds.step(before.pk, ticks=ticks)
        if not here:
            said = f"{name} goes on from tick {world.tick} to {world.target_tick}; the workers see to it."
            self._say(_clock(world), said, json)
            return
        world = _run(world)
        span = (before.tick + 1, world.tick)
        told, count = stepping.told(world.pk, after=position, ticks=span, limit=SHOWN if not json else 10_000)
        if json:
            console.write_json(self.stdout, {**_clock(world), "told": [asdict(one) for one in told], "count": count})
        else:
            self._tell(told, count, f"{name} went from tick {before.tick} to {world.tick}: {count} things happened.")

    def _tell(self, told: list[stepping.Told], count: int, headline: str) -> None:
        out = console.console(self.stdout)
        out.print(headline, markup=False)
        if count > len(told):
            out.print(f"The last {len(told)}:")
        tick = None
        for one in told:
            if one.tick != tick:
                tick = one.tick
                out.print(f"[bold]tick {tick}[/]")
            out.print(f"  {one.zone} · {one.text}", markup=False)

    # --- Looking ---------------------------------------------------------------------------------------------

    def _status(self, *, name: str | None, json: bool, **_: Any) -> None:
        now = timezone.now()
        found = [_world(name)] if name else list(zones.worlds().select_related("owner").order_by("name"))
        states = [status.of(world, now=now) for world in found]
        if json:
            data = [asdict(state) for state in states]
            console.write_json(self.stdout, data[0] if name else data)
            return
        if not states:
            self.stdout.write("There is no world yet; `manage.py world load FILE` makes one.")
        for state in states:
            self._show(state)

    def _show(self, state: status.WorldStatus) -> None:
        out = console.console(self.stdout)
        colour = "green" if state.status == "running" else "yellow"
        behind = state.target_tick - state.tick
        late = f", {behind} behind" if behind > 0 else ""
        out.print(Text(state.name, style="bold"), Text(f" {state.status}", style=colour), f" tick {state.tick}{late}")
        living = ", ".join(f"{count} {life}" for life, count in state.agents.items() if count) or "nobody lives here"
        out.print(f"  agents: {living}; {state.ticks_last_minute} ticks in the last minute")
        out.print(
            f"  seed {state.seed}, rate {state.rate:g}, {state.access}, owner {state.owner or 'none'}", markup=False
        )
        resources = list(state.zones[0].resources) if state.zones else []
        columns = ["zone", "agents", *resources, "entropy", "thermal"]
        rows = [
            (
                f"  {zone.name}",
                f"{zone.agents}/{zone.capacity}",
                *(f"{value:.0f}" for value in zone.resources.values()),
                f"{console.bar(zone.entropy, width=6)} {zone.entropy:.2f}",
                f"{zone.thermal:+.2f}",
            )
            for zone in state.zones
        ]
        out.print(console.table(["  zone", *columns[1:]], rows, numbers=columns[1:]))

    def _say(self, data: dict[str, Any], words: str, json: bool) -> None:
        if json:
            console.write_json(self.stdout, data)
        else:
            self.stdout.write(words)


def _clock(world: Any) -> dict[str, Any]:
    return {"world": world.name, "status": world.status, "tick": world.tick, "target_tick": world.target_tick}


def _world(name: str) -> Any:
    world = zones.worlds().filter(name=name).first()
    if world is None:
        known = zones.worlds().values_list("name", flat=True)
        raise CommandError(f"there is no world called {name!r}; {meant(name, known)}")
    return world


def _user(username: str) -> Any:
    users = get_user_model()._default_manager
    user = users.filter(username=username).first()
    if user is None:
        known = users.order_by("username").values_list("username", flat=True)
        raise CommandError(f"there is no user called {username!r}; {meant(username, known)}")
    return user


def _text(file: str) -> bytes:
    try:
        return sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
    except OSError as error:
        raise CommandError(f"{file}: {error.strerror}") from error


@contextmanager
def _progress(total: int) -> Iterator[loading.Progress | None]:
    """A bar on standard error while agents are made, if there are many and somebody looks."""
    if not sys.stderr.isatty() or total < loading.BATCH:
        yield None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("agents", total=total)
        yield lambda count: progress.advance(task, count)


def _run(world: Any) -> Any:
    """Tick the world here. When Ctrl-C ends it, a paused world stays where it is."""
    try:
        return stepping.run(world.name, target=world.target_tick)
    except KeyboardInterrupt:
        if world.status == world.Status.PAUSED:
            worlds.pause(world.pk)
        return zones.world(world.name)
