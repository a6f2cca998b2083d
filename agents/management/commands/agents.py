"""`manage.py agents`: make agents, look at them, let them tick, and move them through their lives."""

from __future__ import annotations

import time
from argparse import ArgumentParser
from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError
from pydantic import ValidationError

from agents import actions, exchange, mailbox, partitions, portrait, queries, reasoners
from agents.errors import AgentError, NotFound
from agents.minds import usage
from agents.models import STATS, TRAITS, Agent, Lifecycle
from agents.specs import AgentSpec
from agents.transfer import command as transfer
from agents.world_files import checks
from agents.world_files.mistakes import meant, written
from agents.world_files.problems import explain
from domains import console
from domains.thunderblock import queries as registry
from domains.thunderflow.context import acting
from zones import queries as zones
from zones.errors import ZoneError

OPERATOR = "operator"
THINKING_S = 300.0
"""Longest wait for a forced tick of one who thinks."""
_MOVES: dict[str, tuple[str, str]] = {
    "suspend": ("stop agents where they are", "suspended"),
    "activate": ("let dormant or suspended agents tick", "active"),
    "archive": ("take agents out of their zones; all they were is kept", "archived"),
    "unarchive": ("put archived agents back, dormant", "dormant"),
}


class Command(BaseCommand):
    help = "Agents: make them, look at them, let them tick, suspend, wake and archive them."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True)
        _add_create(verbs.add_parser("create", help="make an agent, active, in a zone"))
        show = verbs.add_parser("show", help="a portrait: stats, traits, goals, mods, memories, ticks")
        show.add_argument("--latest", type=int, default=portrait.LATEST, metavar="N", help="memories and ticks (5)")
        every = verbs.add_parser("list", help="agents by name")
        every.add_argument("--zone", help="only in this zone")
        every.add_argument("--lifecycle", choices=Lifecycle.values, help="only in this state")
        every.add_argument("--limit", type=int, default=100, metavar="N", help="at most (100)")
        tick = verbs.add_parser("tick", help="make an active agent tick now, due or not")
        tick.add_argument("--times", type=int, default=1, metavar="N", help="how often (1)")
        for name, (text, _) in _MOVES.items():
            move = verbs.add_parser(name, help=text, aliases=["wake"] if name == "activate" else [])
            move.add_argument("names", nargs="+", metavar="NAME", help="names or ids; all or none are moved")
            if name in ("suspend", "archive"):
                move.add_argument("--reason", default="", help="why, for the log")
        transfer.add_export(verbs.add_parser("export", help="write an agent with all it is and was to a file"))
        transfer.add_import(verbs.add_parser("import", help="let the agent of such a file live here"))
        _add_message(verbs.add_parser("message", help="say something to an agent, and wait for the answer"))
        _add_act(verbs.add_parser("act", help="decide in an agent's place what it does now"))
        for verb in (show, tick):
            verb.add_argument("name", metavar="NAME", help="name or id")
        for name, verb in verbs.choices.items():
            if name != "wake":
                needed = name in ("create", "import")
                verb.add_argument("--world", required=needed, help="the world, when several are meant")
                verb.add_argument("--json", action="store_true", help="one JSON document")

    def handle(self, *args: Any, verb: str, **options: Any) -> None:
        verb = "activate" if verb == "wake" else verb
        handler: Callable[..., None] = self._move if verb in _MOVES else getattr(self, f"_{verb}")
        try:
            with acting(actor=OPERATOR):
                handler(verb=verb, **options)
        except (AgentError, ZoneError) as error:
            raise CommandError(str(error)) from error

    def _create(self, *, name: str, world: str, zone: str, json: bool, **options: Any) -> None:
        there = zones.world(world)
        rows = {row.name: row for row in zones.zones(there.pk)}
        if zone not in rows:
            raise CommandError(f"there is no zone {zone!r} in {world}; {meant(zone, rows)}")
        spec = _spec(name, options)
        agent = actions.create(spec, world_id=there.pk, zone_id=rows[zone].pk, by=OPERATOR)
        data = portrait.full(queries.find(str(agent.pk)))
        self._say(json, data, f"{agent.name} lives in {zone}, first tick at world tick {agent.due_tick}.")

    def _show(self, *, name: str, world: str | None, latest: int, json: bool, **_: Any) -> None:
        data = portrait.full(_find(name, world), latest=max(0, latest))
        if json:
            console.write_json(self.stdout, data)
        else:
            portrait.draw(console.console(self.stdout), data)

    def _list(
        self, *, world: str | None, zone: str | None, lifecycle: str | None, limit: int, json: bool, **_: Any
    ) -> None:
        rows = queries.agents(world_id=zones.world(world).pk if world else None, lifecycle=lifecycle)
        if zone:
            rows = rows.filter(zone__name=zone)
        found = [portrait.brief(agent) for agent in rows[: max(1, limit)]]
        if json:
            console.write_json(self.stdout, found)
            return
        columns = ("name", "world", "zone", "lifecycle", "mood", "energy", "ticks", "doing")
        lines = [
            (a["name"], a["world"], a["zone"], a["lifecycle"], f"{a['mood']:+.2f}", f"{a['energy']:.0f}",
             a["tick_number"], a["activity"])
            for a in found
        ]  # fmt: skip
        out = console.console(self.stdout)
        out.print(console.table(columns, lines, numbers=("mood", "energy", "ticks")))
        if (count := rows.count()) > len(found):
            out.print(f"{count - len(found)} more; --limit shows them.")

    def _tick(self, *, name: str, world: str | None, times: int, json: bool, **_: Any) -> None:
        if not 1 <= times <= 1000:
            raise CommandError("--times: from 1 to 1000")
        if (domain := registry.domain_status("thunderpac")) and not domain.enabled:
            raise CommandError("thunderpac is switched off; `manage.py domains activate thunderpac` first")
        agent = _find(name, world)
        partitions.ensure_now_and_then()
        for _n in range(times):
            self._wait_for(agent, actions.force_tick(agent.pk, by=OPERATOR))
        logs = [portrait.tick(log) for log in queries.ticks(agent.pk, limit=times)][::-1]
        if json:
            console.write_json(self.stdout, logs)
            return
        for log in logs:
            self.stdout.write(f"{log['tick_number']:>4}  {log['action']:<13} {log['narrative']}")

    def _wait_for(self, agent: Agent, number: int) -> None:
        """One who thinks with a model ticks when the answer is there."""
        if not reasoners.thinks(agent.reasoner):
            return
        deadline = time.monotonic() + THINKING_S
        while queries.tick_number(agent.pk) < number:
            if time.monotonic() > deadline:
                raise CommandError(f"{agent.name} is still thinking; {_who_serves()}")
            time.sleep(0.02)

    def _message(
        self, *, name: str, text: str, world: str | None, speaker: str | None, now: bool, timeout: float, json: bool,
        **_: Any,
    ) -> None:  # fmt: skip
        agent = _find(name, world)
        if speaker:
            said = actions.send(agent.pk, text, by=OPERATOR, speaker_id=_find(speaker, world).pk)
            self._say(json, {"number": said.number}, f"{speaker} said that to {agent.name}.")
            return
        partitions.ensure_now_and_then()
        found = exchange.ask(agent.pk, text, by=OPERATOR, now=now, timeout_s=timeout)
        if json:
            reply = found.reply.text if found.reply else None
            console.write_json(self.stdout, {"number": found.message.number, "reply": reply, "ms": found.ms})
        elif found.reply:
            self.stdout.write(f"{agent.name}: {found.reply.text}")
        elif found.read:
            self.stdout.write(f"{agent.name} read it and did not answer.")
        if not found.read:
            raise CommandError(f"no answer within {timeout:g} s; the message waits. {_why_silent(agent)}")

    def _act(
        self, *, name: str, action: str, pairs: Sequence[str], reply: str | None, world: str | None, json: bool,
        **_: Any,
    ) -> None:  # fmt: skip
        agent = _find(name, world)
        arguments = dict(pair.partition("=")[::2] for pair in pairs)
        waiting = mailbox.waiting(agent.pk) if reply else []
        if reply and not waiting:
            raise CommandError(f"nobody has said anything to {agent.name} that waits for an answer")
        partitions.ensure_now_and_then()
        replies = {waiting[0].number: reply} if reply else {}
        actions.act_as(agent.pk, by=OPERATOR, action=action, arguments=arguments, replies=replies)
        log = portrait.tick(queries.ticks(agent.pk, limit=1)[0])
        self._say(json, log, log["narrative"])

    def _move(self, *, verb: str, names: Sequence[str], world: str | None, json: bool, **options: Any) -> None:
        found = [_find(name, world).pk for name in names]
        reason = {"reason": options["reason"]} if "reason" in options else {}
        move: Callable[..., list[Agent]] = getattr(actions, verb)
        moved = move(found, by=OPERATOR, **reason)
        data = [portrait.brief(queries.find(str(agent.pk))) for agent in moved]
        count = f"{moved[0].name} is" if len(moved) == 1 else f"{len(moved)} agents are"
        self._say(json, data, f"{count} {_MOVES[verb][1]} now.")

    def _export(self, *, name: str, world: str | None, output: str | None, force: bool, json: bool, **_: Any) -> None:
        agent = _find(name, world)
        transfer.export(agent, output=output, force=force, json=json, stdout=self.stdout, stderr=self.stderr)

    def _import(self, *, file: str, world: str, zone: str, name: str | None, json: bool, **_: Any) -> None:
        streams = {"stdout": self.stdout, "stderr": self.stderr}
        transfer.bring(file, world=world, zone=zone, name=name, json=json, by=OPERATOR, **streams)

    def _say(self, json: bool, data: Any, words: str) -> None:
        if json:
            console.write_json(self.stdout, data)
        else:
            self.stdout.write(words)


def _add_message(parser: ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", help="name or id")
    parser.add_argument("text", metavar="TEXT", help="what to say")
    parser.add_argument("--now", action="store_true", help="make the agent tick at once")
    parser.add_argument("--timeout", type=console.between(float, 0, 3600), default=60.0, metavar="S", help="(60)")
    parser.add_argument("--as", dest="speaker", metavar="AGENT", help="speak as another agent; it is marked so")


def _add_act(parser: ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", help="name or id")
    parser.add_argument("action", metavar="ACTION", nargs="?", default="", help="such as rest; without it, the least")
    parser.add_argument(
        "--set", dest="pairs", action="append", default=[], metavar="NAME=TEXT", help="an argument of the action"
    )
    parser.add_argument("--reply", metavar="TEXT", help="answer its oldest waiting message with this")


def _why_silent(agent: Agent) -> str:
    if agent.lifecycle != Lifecycle.ACTIVE:
        return f"{agent.name} is {agent.lifecycle}."
    if agent.world.status != "running":
        return f"The world {agent.world.name} is paused; --now makes {agent.name} tick all the same."
    return _who_serves() if reasoners.thinks(agent.reasoner) else "Does the system run? `manage.py up` starts it."


def _who_serves() -> str:
    count = len(usage.reasoners())
    return (
        f"{count} reasoner process{'es serve' if count > 1 else ' serves'}."
        if count
        else "No reasoner process serves; `manage.py up` runs one."
    )


def _add_create(parser: ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", help="its name, unique in its world")
    parser.add_argument("--zone", required=True, help="where it is born")
    parser.add_argument("--description", default="")
    parser.add_argument(
        "--goal", action="append", default=[], metavar="TEXT", help="as it would follow “to”; repeatable"
    )
    parser.add_argument(
        "--set", action="append", default=[], metavar="NAME=NUMBER", help=f"one of {', '.join((*TRAITS, *STATS))}"
    )
    parser.add_argument("--tick-interval", type=int, default=30, metavar="TICKS", help="world ticks between two (30)")
    parser.add_argument("--reasoner", default="rules", help="kind of reasoner that decides for it (rules)")
    parser.add_argument("--model", default="", help="the endpoint that it asks; see `manage.py minds add`")


def _spec(name: str, options: dict[str, Any]) -> AgentSpec:
    """Raises: CommandError with every mistake."""
    fields: dict[str, Any] = {
        "name": name,
        "description": options["description"],
        "goals": [{"name": goal} for goal in options["goal"]],
        "reasoner": options["reasoner"],
        "model": options["model"],
        "tick_interval": options["tick_interval"],
        "traits": {},
        "stats": {},
    }
    for pair in options["set"]:
        key, _, value = pair.partition("=")
        if key not in (*TRAITS, *STATS):
            raise CommandError(f"--set {pair}: there is no {key!r}; {meant(key, (*TRAITS, *STATS))}")
        fields["traits" if key in TRAITS else "stats"][key] = value
    found = [message for _, message in checks.whole({"agents": [{k: v for k, v in fields.items() if k != "zone"}]})]
    try:
        spec = AgentSpec.model_validate(fields)
    except ValidationError as error:
        problems = [explain(dict(problem)) for problem in error.errors(include_url=False)]
        found += [f"{written(path)}: {message}" for path, message in problems]
    if found:
        raise CommandError("; ".join(found))
    return spec


def _find(name: str, world: str | None) -> Agent:
    if world:
        zones.world(world)
    try:
        return queries.find(name, world=world)
    except NotFound as error:
        if str(error).startswith("several") or _is_id(name):
            raise
        raise NotFound(f"{error}; {meant(name, queries.names(world=world))}") from error


def _is_id(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True
