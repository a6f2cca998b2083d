"""A world in which somebody's name is wherever a name can be, and a look at every column and key for it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import redis
from axes.models import AccessAttempt
from django.conf import settings
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.contrib.sessions.backends.db import SessionStore
from django.db import connection, transaction

from agents import actions
from agents.models import (
    Agent,
    BoardWrite,
    Endpoint,
    ModelCall,
    OutsideCall,
    PromptTemplate,
    Switch,
    Thought,
)
from domains import sql
from domains.ids import new_id
from domains.redaction import holdings, rules
from domains.redaction.tables import Table
from domains.thunderblock.models import ActiveDomain
from domains.thunderflow.actions import NewEvent, publish
from domains.thunderflow.blackboard import actions as blackboard
from domains.thunderflow.context import acting
from domains.thunderflow.models import Breaker, DeadLetter, ParkedStream, Subscription
from domains.thundergate import grants, keys, tokens
from domains.thundergate.alerts.models import Alert, AlertRule
from domains.thundergate.models import Redaction, Repeatable, User
from mcp_server.models import OutsideServer, OutsideTool
from memory.actions import NewMemory, store_many
from memory.graph import actions as graph
from memory.graph import facts
from memory.graph.facts import NewFact
from tests.factories import make_user
from tests.integration.agents.living import live, make_world, people, person
from zones import events as zone_events
from zones.models import Notice, World, WorldSource, Zone

NAME, FIRST = "Quetzalina Zorb", "Quetzalina"
USER = "zorblette"
SAID = f"It was {NAME} who brought the bread."
NOW = datetime(2026, 5, 1, tzinfo=UTC)


def plant(mara: str = "Mara") -> tuple[World, Agent, User]:
    """A living world in which people and agents speak of `NAME` and with `USER`; each table has a row at least."""
    world, (zone, _) = make_world({}, {}, name="Harbour", ways=[(0, 1, 1.0)])
    people(zone, 3)
    agent = person(zone, name=mara, description=f"A friend of {mara}.", mods=[{"name": "cloak", "kind": "skill"}])
    user = make_user(USER, first_name="Quetzalina", last_name="Zorb", email="q@zorb.example")
    live(world, 3)
    for one in Agent.objects.filter(world=world):
        actions.send(one.pk, SAID, by=f"user:{USER}")
    live(world, 4)
    with acting(actor=f"user:{USER}"):
        blackboard.put(f"people.{FIRST.lower()}_zorb.mood", {"mood": "glad"}, by=f"user:{USER}")
        blackboard.put("bakery.bread", {NAME: 3, "by": ["nobody", NAME]}, by=f"agent:{mara}@Harbour")
        blackboard.put("bakery.flour", {"kilos": 4}, by="user:miller")
    _remember(agent)
    _rest(world, zone, agent, user)
    return world, agent, user


def _remember(agent: Agent) -> None:
    said = NewMemory(agent.pk, SAID, summary=f"{NAME} and bread", tags=(FIRST,), source={"by": NAME})
    other = NewMemory(agent.pk, "The bread was good.")
    with transaction.atomic():
        store_many([said, other, NewMemory(agent.pk, f"{FIRST} laughed with Bo.")])
    while graph.link_new().memories:
        pass
    with transaction.atomic():
        facts.learn(
            [NewFact(agent.pk, NAME, "bakes", "bread", said.id), NewFact(agent.pk, "Bo", "likes", NAME)], now=NOW
        )


def _rest(world: World, zone: Zone, agent: Agent, user: User) -> None:
    """A row of what does not come about by itself."""
    endpoint = Endpoint.objects.create(name="local", base_url="http://127.0.0.1:9/v1", model="m")
    ModelCall.objects.create(
        id=new_id(), agent=agent, world=world, endpoint=endpoint, model="m", tick_number=1, asked_tick=1, attempt=1,
        template_version=0, request_hash="0" * 64, request={"model": "m", "messages": []}, status="answered",
        started_at=NOW,
    )  # fmt: skip
    OutsideCall.objects.create(
        id=new_id(), agent=agent, world=world, tool="x.y", arguments={}, about="x", result="x", error="x",
        tick_number=1, asked_tick=1, status="done", started_at=NOW, expires_at=NOW,
    )  # fmt: skip
    server = OutsideServer.objects.create(name="x", url="https://tools.example.org/mcp", last_error="x")
    OutsideTool.objects.create(server=server, name="y", title="x", description="x", output_schema={}, changed_at=NOW)
    Thought.objects.create(agent=agent, asked_tick=1, expires_at=NOW + timedelta(days=9999))
    PromptTemplate.objects.create(version=1, system="Be kind.", user="Now.")
    Switch.objects.get_or_create(pk=1)
    BoardWrite.objects.create(world=world, zone_id=zone.pk, tick=0, agent_id=agent.pk, ordinal=0, key="a.b", value={},
                              author="agent:x")  # fmt: skip
    Notice.objects.create(zone=zone, author="x", text="x", world_tick=1)
    WorldSource.objects.update_or_create(world=world, defaults={"content": {}})
    follower = Subscription.objects.create(name="teller", pattern="**", shards=1)
    failing: dict[str, Any] = {
        "subscription": follower, "shard": 0, "stream": "a", "seq": 1, "position": 1, "attempts": 1, "error": "x",
        "error_class": "transient", "traceback": "x", "first_failed_at": NOW,
    }  # fmt: skip
    ParkedStream.objects.create(retry_at=NOW, **failing)
    DeadLetter.objects.create(topic="a.b", event={}, failed_at=NOW, **failing)
    Breaker.objects.create(name="endpoint:local")
    ActiveDomain.objects.get_or_create(domain_name="thunderpac")
    kind = ContentType.objects.get_for_model(Agent)
    LogEntry.objects.create(user=user, content_type=kind, object_id=str(agent.pk), action_flag=CHANGE, object_repr="x")
    tokens.issue(user, by=f"user:{USER}")
    keys.issue(user, name="x", scopes=["agents:read"], by=f"user:{USER}")
    grants.grant(user, agent.pk, by=f"user:{USER}")
    AlertRule.objects.all().delete()  # the usual ones, of which each has a name of its own
    rule = AlertRule.objects.create(name="x", metric="x")
    Alert.objects.create(rule=rule, state="firing", severity="warning", since=NOW, fired_at=NOW)
    Repeatable.objects.create(user=user, key="x", fingerprint=b"x", status=201, inserted_at=NOW,
                              expires_at=NOW + timedelta(days=9999))  # fmt: skip
    AccessAttempt.objects.create(username="x", ip_address="10.0.0.1", failures_since_start=1, attempt_time=NOW)
    for data in ({"_auth_user_id": str(user.pk)}, {"shown": NAME}, {"shown": "nobody"}):
        session = SessionStore()
        session.update(data)
        session.save()
    Redaction.objects.create(kind="agent", by="operator", reason="asked", status="done", requested_at=NOW, done_at=NOW)
    with transaction.atomic():
        payload = zone_events.WorldChanged(name="Harbour", what="spoken of", tick=3, detail=SAID)
        publish(NewEvent(f"world:{world.pk}", f"world.{world.pk}.changed", payload, actor=f"user:{USER}"))


VALUES = {
    rules.TEXT: SAID,
    rules.NAMED: SAID,
    rules.BLANK: f"with {NAME}",
    rules.INNER: f"Always speak well of {NAME}. Be brief.",
    rules.LABEL: f"user:{USER}",
    rules.JSON: json.dumps({"deep": [{"said": SAID}], NAME: 1, "kept": "bread"}),
    rules.JSONB: json.dumps({"deep": [{"said": SAID}], NAME: 1, "kept": "bread"}),
    rules.ITEMS: json.dumps([[1, SAID, 0.5, 0.1], [2, "There was bread.", 0.5, 0.1]]),
    rules.ITEMS_B: json.dumps(["bread", NAME]),
}
NATURAL = {"events", "users", "memory_nodes", "memory_facts", "memory_entities", "memory_entity_aliases",
           "blackboard_entries", "blackboard_namespaces", "django_session", "worlds"}  # fmt: skip


def plant_everywhere() -> None:
    """The name in every column that is in some table's care, in every row of it."""
    hand = "SELECT set_config('thunderline.audit_hand', %s, false)"
    sql.fetch_rows(hand, ["redaction"])  # or the audit trail would refuse it
    try:
        _plant_everywhere()
    finally:
        sql.fetch_rows(hand, [""])


def _plant_everywhere() -> None:
    for holding in holdings():
        if not isinstance(holding, Table):
            continue
        ((count,),) = sql.fetch_rows(f"SELECT count(*) FROM {holding.table}")
        assert count, f"{holding.table} is empty, so that nothing would be tried"
        if holding.table in NATURAL:
            continue
        key = next(iter(holding.key))
        for column, rule in holding.columns.items():
            value, cast = VALUES.get(rule), rule.cast
            if rule is rules.UNIQUE:
                sql.execute(f"""UPDATE {holding.table} SET "{column}" = '{FIRST} ' || right({key}::text, 12)""")
            elif rule is rules.TOKENS:
                sql.execute(f"""UPDATE {holding.table} SET "{column}" = 'people.{FIRST.lower()}.mood'""")
            else:
                sql.execute(f'UPDATE {holding.table} SET "{column}" = %s::{cast}', [value])


TABLES = """
SELECT c.relname FROM pg_class c WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p')
AND NOT c.relispartition ORDER BY 1
"""


def found(words: Iterable[str]) -> list[str]:
    """Every table's rows and every key and value in Redis that have one of the words in any form."""
    where: list[str] = []
    for word in words:
        hexed = word.encode().hex()
        with connection.cursor() as cursor:
            cursor.execute(TABLES)
            for (table,) in cursor.fetchall():
                cursor.execute(f'SELECT t::text FROM "{table}" t WHERE t::text ILIKE %s OR t::text ILIKE %s LIMIT 3',
                               [f"%{word}%", f"%{hexed}%"])  # fmt: skip
                where += [f"{table}: {row[0][:300]}" for row in cursor.fetchall()]
        where += [f"redis: {key!r}" for key, value in in_redis() if word.lower().encode() in (key + value).lower()]
    return where


def in_redis() -> list[tuple[bytes, bytes]]:
    server = redis.Redis.from_url(settings.REDIS_URL)
    readers: dict[bytes, Any] = {
        b"string": server.get,
        b"hash": server.hgetall,
        b"set": server.smembers,
        b"list": lambda key: server.lrange(key, 0, -1),
        b"zset": lambda key: server.zrange(key, 0, -1),
    }
    try:
        return [(key, str(readers[server.type(key)](key)).encode()) for key in server.scan_iter()]
    finally:
        server.close()


def forget_nothing() -> dict[str, object]:
    """What must stay as it is: numbers, hashes and how many rows the logs have."""
    with connection.cursor() as cursor:
        facts_of: dict[str, object] = {}
        for name, query in {
            "events": "SELECT position, stream, seq, id, at FROM events ORDER BY 1",
            "ticks": """SELECT agent_id, tick_number, world_tick, state_hash, confidence, stat_changes::text
                        FROM tick_logs ORDER BY 1, 2""",
            "messages": "SELECT number, status, turn, conversation FROM agent_messages ORDER BY 1",
            "letters": "SELECT position, seq FROM event_dead_letters ORDER BY 1",
            "agents": "SELECT id, ordinal, tick_number, energy, mood FROM pac_agents ORDER BY 1",
        }.items():
            cursor.execute(query)
            facts_of[name] = cursor.fetchall()
        return facts_of
