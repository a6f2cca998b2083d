"""`manage.py agents export` and `import`: files and terminals around `exporting` and `importing`."""

from __future__ import annotations

import os
import re
import shutil
import sys
import tempfile
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, BinaryIO, cast

from django.core.management.base import CommandError, OutputWrapper
from django.utils import timezone
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from agents import reasoners
from agents.models import Agent, Lifecycle
from agents.transfer import exporting, importing
from agents.transfer.format import BadAgentFile, Counts
from agents.transfer.format import Progress as Told
from agents.world_files.mistakes import meant
from domains import console
from zones import queries as zones

ENDING = ".agent.jsonl"


def add_export(parser: ArgumentParser) -> None:
    """The arguments of `export`."""
    parser.add_argument("name", metavar="NAME", help="name or id")
    parser.add_argument("--output", metavar="FILE", help=f"where to, if not NAME{ENDING}; - is standard output")
    parser.add_argument("--force", action="store_true", help="write over a file that is there")


def add_import(parser: ArgumentParser) -> None:
    """The arguments of `import`."""
    parser.add_argument("file", metavar="FILE", help="what `agents export` wrote; - reads standard input")
    parser.add_argument("--zone", required=True, help="where it shall live")
    parser.add_argument("--name", metavar="NEWNAME", help="a new name, when its own is taken there")


# --- Export --------------------------------------------------------------------------------------------------


def export(
    agent: Agent, *, output: str | None, force: bool, json: bool, stdout: OutputWrapper, stderr: OutputWrapper
) -> None:
    """Write an agent's file and say what is in it. Raises: CommandError, agents.errors.AgentError."""
    target = output or file_name(agent.name)
    with _target(target, force, stdout) as out, _bar(f"export {agent.name}") as told:
        written = exporting.export(agent.pk, out, now=timezone.now(), progress=told)
    said = stderr if target == "-" else stdout
    if json:
        counts = written.counts.model_dump()
        console.write_json(said, {"file": target, **asdict(written), "counts": counts})
    else:
        said.write(f"{written.name}: {in_words(written.counts)} written to {_called(target, 'standard output')}")


def file_name(name: str) -> str:
    """A file's name for an agent's, whatever it is called."""
    plain = re.sub(r"[^\w\- ]+", "_", name).strip(" _")
    return (plain or "agent") + ENDING


def in_words(counts: Counts) -> str:
    """`120 memories, 3 mods, 4,000 ticks, 7 messages`."""
    nouns = {"memories": "memory", "mods": "mod", "ticks": "tick", "messages": "message"}
    numbers = {plural: getattr(counts, plural) for plural in nouns}
    return ", ".join(f"{n:,} {nouns[plural] if n == 1 else plural}" for plural, n in numbers.items())


@contextmanager
def _target(target: str, force: bool, stdout: OutputWrapper) -> Iterator[BinaryIO]:
    """Where to write. A file is there only when it is whole; only its owner may read it."""
    if target == "-":
        yield _standard_output(stdout)
        return
    path = Path(target)
    if path.exists() and not force:
        raise CommandError(f"{path} is there already; --force writes over it")
    try:
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".agent-", delete=False) as out:
            try:
                yield cast(BinaryIO, out)
                out.flush()
                os.fsync(out.fileno())
                Path(out.name).replace(path)
            except BaseException:
                Path(out.name).unlink(missing_ok=True)
                raise
    except OSError as error:
        raise CommandError(f"{path}: {error.strerror}") from error


class _Text:
    """A text stream that takes the bytes of UTF-8, where somebody reads the output who is no terminal."""

    def __init__(self, stream: OutputWrapper) -> None:
        self.stream = stream

    def write(self, text: bytes) -> None:
        self.stream.write(text.decode(), ending="")


def _standard_output(stdout: OutputWrapper) -> BinaryIO:
    """The bytes below the stream: in another encoding the checksum would not match."""
    return cast(BinaryIO, getattr(stdout, "buffer", None) or _Text(stdout))


# --- Import --------------------------------------------------------------------------------------------------


def bring(
    file: str,
    *,
    world: str,
    zone: str,
    name: str | None,
    json: bool,
    by: str,
    stdout: OutputWrapper,
    stderr: OutputWrapper,
) -> None:
    """Let the agent of a file live in a zone and say so. Raises: CommandError, AgentError, zones.errors.ZoneError."""
    there = zones.world(world)
    rows = {row.name: row.pk for row in zones.zones(there.pk)}
    if zone not in rows:
        raise CommandError(f"there is no zone {zone!r} in {world}; {meant(zone, rows)}")
    place = {"world_id": there.pk, "zone_id": rows[zone]}
    try:
        with _source(file) as source, _bar("import") as told:
            arrived = importing.bring(source, **place, by=by, now=timezone.now(), name=name, progress=told)
    except BadAgentFile as error:
        raise CommandError(f"{_called(file, 'standard input')}: {error}; nothing was changed") from error
    warnings = _warnings(arrived.agent)
    for warning in warnings:
        stderr.write(warning)
    if json:
        console.write_json(stdout, _as_data(arrived, world, warnings))
    else:
        stdout.write(_arrival(arrived))


def _arrival(arrived: importing.Arrived) -> str:
    agent, zone = arrived.agent, arrived.zone.name
    if agent.lifecycle == Lifecycle.ACTIVE:
        how = f"lives in {zone} now, next tick at world tick {agent.due_tick}"
    else:
        how = f"is {agent.lifecycle} in {zone}"
    return f"{agent.name} {how}: {in_words(arrived.counts)}."


def _as_data(arrived: importing.Arrived, world: str, warnings: list[str]) -> dict[str, Any]:
    agent = arrived.agent
    return {
        "id": agent.pk,
        "name": agent.name,
        "world": world,
        "zone": arrived.zone.name,
        "lifecycle": agent.lifecycle,
        "tick_number": agent.tick_number,
        "due_tick": agent.due_tick,
        "mail": agent.mail,
        "counts": arrived.counts.model_dump(),
        "warnings": warnings,
    }


def _warnings(agent: Agent) -> list[str]:
    if reasoners.get(agent.reasoner) is not None:
        return []
    known = ", ".join(reasoners.kinds())
    return [
        f"There is no reasoner of kind {agent.reasoner!r} here (there is: {known}); until there is one, the rules"
        f" decide for {agent.name}."
    ]


@contextmanager
def _source(file: str) -> Iterator[BinaryIO]:
    """A file in which one can go back: pipes are copied to a temporary one."""
    with ExitStack() as stack:
        try:
            found = sys.stdin.buffer if file == "-" else stack.enter_context(Path(file).open("rb"))
            if file == "-" or not found.seekable():
                copy = stack.enter_context(tempfile.TemporaryFile())
                shutil.copyfileobj(found, copy)
                found = copy
        except OSError as error:
            raise CommandError(f"{file}: {error.strerror}") from error
        yield cast(BinaryIO, found)


def _called(file: str, otherwise: str) -> str:
    return otherwise if file == "-" else file


@contextmanager
def _bar(what: str) -> Iterator[Told | None]:
    """A bar on standard error, if somebody looks."""
    if not sys.stderr.isatty():
        yield None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(what, total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)
