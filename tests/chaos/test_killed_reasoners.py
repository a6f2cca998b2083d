"""The processes that ask models are killed while they think: nothing is decided twice, spent unseen or left unanswered.

CHAOS_SEED repeats the choices of a run; CHAOS_PATIENCE_S is for slow machines.
"""

from __future__ import annotations

import asyncio
import json
import random
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import Any

import pytest
from aiohttp import web

from tests import model_server as manners
from tests.chaos.population import ENDPOINT, RULED, THINKERS
from tests.chaos.test_nothing_is_lost import (
    PATIENCE_S,
    PEOPLE,
    SEED,
    Disturbed,
    check_deadlocks,
    check_events,
    check_memories,
    check_stats,
    check_streams,
    check_zones,
    disturb,
)
from tests.installation import PROGRAMS, Installation, eventually, installation
from tests.model_server import Asked, ModelServer, model_server

__all__ = ["installation"]

pytestmark = pytest.mark.timeout(900)

REASONERS = ("reasoner-1", "reasoner-2")
KILLS = 20
LEASE_S = 15.0


@pytest.fixture
def disturbed(installation: Installation) -> Iterator[Disturbed]:
    yield from disturb(installation, PROGRAMS + 1, THUNDERLINE_REASONERS="2")


def moody(chance: random.Random) -> manners.Behaviour:
    """A model that takes its time, mostly does as it is told, and now and then fails in one of several ways."""

    async def decided(asked: Asked) -> web.StreamResponse:
        answer = manners.decision(asked)
        schema = asked.body["response_format"]["json_schema"]["schema"]["properties"]
        answer["action"] = chance.choice([a for a in schema["action"]["enum"] if a != "use_tool"])
        return await manners.saying(json.dumps(answer))(asked)

    ways = {
        decided: 86, manners.status(500): 5, manners.status(429): 3, manners.sending(b"{"): 2, manners.reset: 1,
        **{manners.saying(text): 0.1 for text in manners.NONSENSE.values()},
    }  # fmt: skip

    async def answer(asked: Asked) -> web.StreamResponse:
        await asyncio.sleep(chance.uniform(0.05, 0.3))
        (how,) = chance.choices(list(ways), list(ways.values()))
        return await how(asked)

    return answer


class Letters(threading.Thread):
    """Somebody who writes to agents now and then, and does not wait for answers."""

    def __init__(self, system: Installation) -> None:
        super().__init__(daemon=True)
        self.system, self.chance, self.over = system, random.Random(SEED), threading.Event()
        self.sent: list[str] = []
        self.refused: list[str] = []

    def run(self) -> None:
        while not self.over.wait(1.5):
            name = f"Agent {self.chance.randrange(THINKERS + RULED)}"
            text = f"Letter {len(self.sent)}: where are you, {name}?"
            done = self.system.manage("agents", "message", name, text, "--timeout", "0")
            self.sent.append(text)
            if done.returncode and "the message waits" not in done.stderr:
                self.refused.append(done.stderr)

    def end(self) -> None:
        self.over.set()
        self.join(60)
        assert not self.is_alive()


def test_killed_reasoners_lose_nothing_and_do_nothing_twice(disturbed: Disturbed) -> None:
    print(f"CHAOS_SEED={SEED}")  # noqa: T201 - to repeat a failure
    with model_server(moody(random.Random(SEED))) as model:
        disturbed.run("thinkers", "Chaos", model.base_url)
        disturbed.ask("UPDATE worlds SET status = 'running', rate = 2 WHERE name = 'Chaos' RETURNING 1")
        eventually(lambda: model.asked)
        letters = Letters(disturbed.system)
        letters.start()
        for _ in range(KILLS // 2):
            kill_one(disturbed)
        cap = set_cap(disturbed)
        for _ in range(KILLS - KILLS // 2):
            kill_one(disturbed)
        eventually(lambda: disturbed.ask(f"SELECT 1 {LOGS} WHERE l.error LIKE '% cap of %' LIMIT 1"), 180)
        letters.end()
        come_to_rest(disturbed)
        tell(disturbed, model, letters, cap)
    assert letters.refused == []
    for check in (
        check_ticks, check_calls, check_events, check_streams, check_stats, check_zones, check_memories,
        check_deadlocks, check_mail,
    ):  # fmt: skip
        check(disturbed)
    check_letters(disturbed, letters.sent)
    check_cap(disturbed, model, cap)
    check_spending(disturbed)
    assert max(seconds for each in disturbed.recovered_s.values() for seconds in each) <= PATIENCE_S


def kill_one(disturbed: Disturbed) -> None:
    """Any of those that run; the world's rules must not even notice."""

    def running() -> list[str]:
        return sorted(disturbed.system.pids().keys() & {*REASONERS})

    time.sleep(disturbed.chance.uniform(0.3, 1.0))
    eventually(running)
    disturbed.kill(disturbed.chance.choice(running()))


def set_cap(disturbed: Disturbed) -> int:
    """A cap that what is left of the run will reach, by its second half; it is above what was called when it is set."""
    while True:
        cap = int(calls_counted(disturbed) * 1.6)
        done = disturbed.system.manage("minds", "cap", "endpoint", str(cap), "--name", ENDPOINT, "--of", "calls")
        assert done.returncode == 0, done.stderr
        if calls_counted(disturbed) < cap:
            return cap
        # The command took as long as those calls: nobody calls above a cap, so the next one is higher in time.


def calls_counted(disturbed: Disturbed) -> int:
    """For the endpoint, those under way included."""
    return int(disturbed.ask("SELECT coalesce(sum(calls), 0) FROM mind_spending WHERE scope = 'endpoint'")[0][0])


def come_to_rest(disturbed: Disturbed) -> None:
    """Ask no model any more, let every letter be read, and pause; until nobody is due and nobody thinks."""
    done = disturbed.system.manage("minds", "stop", "--reason", "the run is over")
    assert done.returncode == 0, done.stderr
    unread = "FROM agent_messages WHERE sender_agent_id IS NULL AND status NOT IN ('answered', 'read')"
    eventually(lambda: not disturbed.ask(f"SELECT 1 {unread} LIMIT 1"), LEASE_S + 60)
    eventually(lambda: not disturbed.ask("SELECT 1 FROM mind_calls WHERE status = 'open' LIMIT 1"), LEASE_S + 60)
    disturbed.ask("UPDATE worlds SET status = 'paused', target_tick = tick WHERE name = 'Chaos' RETURNING 1")
    busy = f"""SELECT 1 FROM mind_thoughts UNION ALL
               SELECT 1 {PEOPLE} AND a.due_tick <= w.tick UNION ALL
               SELECT 1 FROM worlds w WHERE w.tick < w.target_tick LIMIT 1"""
    eventually(lambda: not disturbed.ask(busy), LEASE_S + 60)


def tell(disturbed: Disturbed, model: ModelServer, letters: Letters, cap: int) -> None:
    """The figures of the run."""
    kills = {what: len(times) for what, times in disturbed.recovered_s.items()}
    steps = disturbed.ask(f"SELECT a.reasoner, count(*) {LOGS} GROUP BY 1 ORDER BY 1")
    became = dict(disturbed.ask("SELECT status, count(*) FROM mind_calls GROUP BY 1 ORDER BY 1"))
    tries = disturbed.ask("SELECT attempt, count(*) FROM mind_calls GROUP BY 1 ORDER BY 1")
    by_cap = disturbed.ask(f"SELECT count(*) {LOGS} WHERE l.error LIKE '% cap of %'")[0][0]
    print(f"kills: {kills}, world ticks: {disturbed.tick()}, steps: {dict(steps)}, of them capped: {by_cap}")  # noqa: T201
    print(f"requests: {len(model.asked)}, cap: {cap}, calls: {became}, by attempt: {dict(tries)}")  # noqa: T201
    print(f"letters: {len(letters.sent)}, seconds until the world went on: {dict(disturbed.recovered_s)}")  # noqa: T201


# --- What must hold ------------------------------------------------------------------------------------------

LOGS = f"{PEOPLE} JOIN tick_logs l ON l.agent_id = a.id"


def check_ticks(disturbed: Disturbed) -> None:
    """Each agent: as many logs as ticks, from 1 on; who goes by the rules, at every tick of the world."""
    rows = disturbed.ask(
        f"""SELECT a.name, a.reasoner, a.tick_number, array_agg(l.tick_number ORDER BY l.tick_number),
                   array_agg(l.world_tick ORDER BY l.tick_number) {LOGS} GROUP BY a.id"""
    )
    last = disturbed.tick()
    assert Counter(row[1] for row in rows) == {"openai": THINKERS, "rules": RULED}
    for name, reasoner, tick_number, numbers, world_ticks in rows:
        assert numbers == list(range(1, tick_number + 1)), name
        assert world_ticks == sorted(world_ticks), name
        if reasoner == "rules":
            assert world_ticks == list(range(1, last + 1)), name


def check_calls(disturbed: Disturbed) -> None:
    """Each step of who thinks has its answer, no call has two steps, and each is as its row says."""
    told: dict[str, list[tuple[Any, ...]]] = defaultdict(list)
    for agent_id, *answer in disturbed.ask(
        """SELECT payload->>'agent_id', payload->>'call_id', payload->>'error', (payload->>'world_tick')::bigint
           FROM events WHERE topic ~ '[.]model_answered$' ORDER BY position"""
    ):
        told[agent_id].append(tuple(answer))
    steps: dict[str, list[tuple[Any, ...]]] = defaultdict(list)
    for agent_id, *step in disturbed.ask(
        f"""SELECT a.id::text, l.usage->>'call', l.world_tick, l.tick_number {LOGS} AND a.reasoner = 'openai'
            ORDER BY l.tick_number"""
    ):
        steps[agent_id].append(tuple(step))
    calls = {
        row[0]: row[1:] for row in disturbed.ask("SELECT id::text, agent_id::text, tick_number, status FROM mind_calls")
    }
    used: list[str] = []
    assert told.keys() == steps.keys()
    for agent_id, taken in steps.items():
        assert [(answer[0], answer[2]) for answer in told[agent_id]] == [step[:2] for step in taken], agent_id
        for (call, error, _), (_, _, number) in zip(told[agent_id], taken, strict=True):
            if call:
                used.append(call)
                assert calls[call] == (agent_id, number, _status(error)), (call, error)
    assert len(used) == len(set(used)) > THINKERS
    statuses = Counter(status for *_, status in calls.values())
    assert not statuses.keys() - {"answered", "failed", "stopped", "lost"}
    assert statuses["lost"] >= 1


def _status(error: str | None) -> str:
    """What a call's row must say, by the reason that its step gives for having no answer."""
    if error is None:
        return "answered"
    return "stopped" if error == "the call was stopped" else "failed" if error.startswith(f"{ENDPOINT} (") else "?"


def check_mail(disturbed: Disturbed) -> None:
    """Every message came once and was read once, or waits where its reader's count has it."""
    rows = disturbed.ask(
        """SELECT m.number, m.status, count(*) FILTER (WHERE e.topic LIKE '%.message_received'),
                  count(*) FILTER (WHERE e.topic LIKE '%.message_processed'),
                  (SELECT count(*) FROM agent_messages r WHERE r.reply_to_id = m.number)
           FROM agent_messages m LEFT JOIN events e ON e.topic ~ '[.]message_(received|processed)$'
                AND (e.payload->>'number')::bigint = m.number
           WHERE m.recipient_id IS NOT NULL GROUP BY m.number"""
    )
    of_status = {"sent": (0, 0, 0), "waiting": (1, 0, 0), "read": (1, 1, 0), "answered": (1, 1, 1)}
    assert not [row for row in rows if row[2:] != of_status[row[1]]]
    late = """SELECT 1 FROM agent_messages m JOIN worlds w ON w.id = m.world_id
              WHERE m.status = 'sent' AND m.sent_tick < w.tick - 1"""
    assert not disturbed.ask(late)
    assert not disturbed.ask(
        f"""SELECT a.name {PEOPLE} WHERE a.mail <> (
                SELECT count(*) FROM agent_messages m WHERE m.recipient_id = a.id AND m.status = 'waiting')"""
    )


def check_letters(disturbed: Disturbed, sent: list[str]) -> None:
    """None is lost; people always get an answer, and one."""
    rows = disturbed.ask(
        """SELECT m.text, m.status, count(r.*) FROM agent_messages m
           LEFT JOIN agent_messages r ON r.reply_to_id = m.number AND r."to" = m.sender
           WHERE m.sender_agent_id IS NULL GROUP BY m.number"""
    )
    assert sorted(row[0] for row in rows) == sorted(sent) != []
    assert not [row for row in rows if row[1:] not in (("answered", 1), ("read", 0))]
    assert Counter(row[1] for row in rows)["answered"] > 0


def check_cap(disturbed: Disturbed, model: ModelServer, cap: int) -> None:
    """Not one call more than that, and each on record before it was made."""
    ((calls,),) = disturbed.ask("SELECT count(*) FROM mind_calls")
    assert len(model.asked) <= calls == calls_counted(disturbed) <= cap
    assert calls > cap - THINKERS


def check_spending(disturbed: Disturbed) -> None:
    """What is counted for each agent, the world and the endpoint is what their calls came to, or may have."""
    counted = disturbed.ask(
        "SELECT scope, target_id, sum(calls)::int, sum(cost) FROM mind_spending GROUP BY 1, 2 ORDER BY 1, 2"
    )
    made = disturbed.ask(
        """SELECT scope, target_id, count(*)::int, sum(cost) FROM mind_calls, LATERAL (
               VALUES ('agent', agent_id), ('endpoint', endpoint_id), ('world', world_id)) AS t (scope, target_id)
           GROUP BY 1, 2 ORDER BY 1, 2"""
    )
    assert counted == made
