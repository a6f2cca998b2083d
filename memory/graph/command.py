"""`manage.py memory graph`: what is around a memory, ways between two, who an agent's memories name, its facts."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from django.core.management.base import CommandError
from django.utils.dateparse import parse_datetime
from django.utils.timezone import is_naive, make_aware

from domains import console
from domains.console import between
from memory import owners
from memory.graph import facts, names, queries, shown


def add_arguments(parser: ArgumentParser) -> None:
    """Arguments of the subcommand; `--world` and `--json` are those of every one of them."""
    parser.add_argument("what", metavar="MEMORY|AGENT", help="id of a memory, or an agent's name or id")
    parser.add_argument("--depth", type=between(int, 0, queries.MOST_DEPTH), default=2, help="edges from it (2)")
    parser.add_argument("--to", type=UUID, metavar="MEMORY", help="the shortest ways to another memory instead")
    parser.add_argument("--limit", type=between(int, 1, 2000), default=50, help="memories, names or facts (50)")
    parser.add_argument("--entity", metavar="NAME", help="of an agent: the memories that name somebody or something")
    parser.add_argument("--facts", action="store_true", help="of an agent: the facts that it holds")
    parser.add_argument("--as-of", type=instant, metavar="TIME", help="facts as they were held to be then, ISO 8601")


def handle(stdout: Any, /, *, what: str, world: str | None, json: bool, **options: Any) -> None:
    """Print to a command's `self.stdout`. Raises: CommandError, NobodyMeant."""
    memory_id = _memory(what)
    if memory_id is not None:
        data, text = _around(memory_id, **options)
    else:
        data, text = _of_agent(owners.agent(what, world=world).id, **options)
    if json:
        console.write_json(stdout, data)
    else:
        console.console(stdout).print(text, markup=False)


def instant(text: str) -> datetime:
    """An argparse type: an ISO 8601 instant, of the server's time zone when it names none."""
    at = parse_datetime(text)
    if at is None:
        raise ValueError(text)
    return make_aware(at) if is_naive(at) else at


def _memory(what: str) -> UUID | None:
    """The memory of that id, if it is one."""
    try:
        memory_id = UUID(what)
    except ValueError:
        return None
    return memory_id if queries.graph(memory_id, 0).nodes else None


def _around(memory_id: UUID, *, depth: int, limit: int, to: UUID | None, **_: Any) -> tuple[Any, Any]:
    if to is None:
        graph = queries.graph(memory_id, depth, most=limit)
        return shown.as_json(graph), shown.tree(graph)
    found = queries.paths(memory_id, to)
    contents = queries.contents({each for path in found for each in path.ids})
    data = [{"strength": path.strength, "memories": path.ids} for path in found]
    return {"paths": data, "contents": contents}, shown.paths(found, contents) or "No way leads from one to the other."


def _of_agent(
    agent_id: UUID, *, limit: int, entity: str | None, facts: bool, as_of: datetime | None, **_: Any
) -> tuple[Any, Any]:
    if entity is not None:
        return _naming(agent_id, entity, limit)
    if facts or as_of is not None:
        return _facts(agent_id, as_of, limit)
    found = queries.entities(agent_id, limit=limit)
    rows = [(one.name, one.kind, ", ".join(one.aliases), one.memories) for one in found]
    return [shown.entity(one) for one in found], _table(("name", "kind", "called", "memories"), rows, "memories")


def _naming(agent_id: UUID, name: str, limit: int) -> tuple[Any, Any]:
    known = queries.called(agent_id, [names.key(name)])
    if not known:
        raise CommandError(f"the agent knows nobody and nothing called {name!r}")
    ((entity_id, _, _),) = known.values()
    found = queries.memories_of(entity_id, limit=limit)
    rows = [(one.id, f"{one.inserted_at:%Y-%m-%d %H:%M}", one.content) for one in found]
    return [shown.memory(one) for one in found], _table(("id", "at", "memory"), rows)


def _facts(agent_id: UUID, as_of: datetime | None, limit: int) -> tuple[Any, Any]:
    found = facts.facts(agent_id, as_of=as_of)[:limit]
    rows = [
        (one.subject, one.relation, one.value, f"{one.valid_from:%Y-%m-%d %H:%M}",
         f"{one.valid_to:%Y-%m-%d %H:%M}" if one.valid_to else "")
        for one in found
    ]  # fmt: skip
    return [shown.fact(one) for one in found], _table(("subject", "relation", "value", "from", "to"), rows)


def _table(columns: Sequence[str], rows: Sequence[Sequence[object]], *numbers: str) -> Any:
    return console.table(columns, rows, numbers=numbers) if rows else "Nothing."
