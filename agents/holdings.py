"""What agents are, did, thought and said, and what was said to them; and what is known of models and their words."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from agents.actions import lives, locks
from agents.errors import WrongState
from agents.models import Agent, Lifecycle
from domains import sql
from domains.redaction import Stage, Subject, harmless, register
from domains.redaction.rules import BLANK, INNER, ITEMS, ITEMS_B, JSON, JSONB, LABEL, NAMED, TEXT, UNIQUE
from domains.redaction.tables import Key, Table

HERE = "t.agent_id IN (SELECT id FROM pac_agents WHERE world_id = %(world)s)"
MINE = "t.agent_id = %(agent)s::uuid"

TICK_DIGEST = """sha256(convert_to(ROW(t.id, t.agent_id, t.zone_id, t.tick_number, t.world_tick,
    extract(epoch FROM t.inserted_at), t.processing_time, t.confidence, encode(t.state_hash, 'hex'), t.action,
    t.reasoning, t.narrative, t.decision, t.review, t.stat_changes, t.state_changes, t.memories, t.stage_ms, t.usage,
    t.error)::text, 'UTF8'))"""
OPEN_CALLS = """
SELECT count(*) FROM mind_calls t WHERE t.status = 'open' AND t.started_at <= %(since)s
    AND (%(world)s::uuid IS NULL OR t.world_id = %(world)s)
"""


class Agents(Table):
    """The agents themselves. Ticks write their rows under the zone's lock, so that it is taken first."""

    def __init__(self) -> None:
        super().__init__(
            "pac_agents", key={"id": "uuid"}, own="t.id = %(agent)s::uuid", scope="t.world_id = %(world)s",
            columns={
                "name": UNIQUE, "description": BLANK, "system_prompt": BLANK, "current_focus": BLANK, "activity": BLANK,
                "goals": ITEMS, "working_memory": ITEMS, "capabilities": ITEMS_B, "recent_actions": BLANK,
            },
            lock=_lock, batch=200,
        )  # fmt: skip

    def prepare(self, subject: Subject, by: str) -> None:
        """Who is forgotten lives no more."""
        agent = Agent.objects.filter(pk=subject.agent_id).first() if subject.agent_id else None
        if agent is not None and agent.lifecycle not in (Lifecycle.SEED, Lifecycle.ARCHIVED):
            try:
                lives.archive([agent.pk], by=by, reason="to be forgotten")
            except WrongState:  # somebody was quicker
                agent.refresh_from_db()
                if agent.lifecycle != Lifecycle.ARCHIVED:
                    raise


class ModelCalls(Table):
    """Questions to models and their answers. One that was asked before comes with what it was told."""

    def __init__(self) -> None:
        super().__init__(
            "mind_calls", key={"id": "uuid"}, own=MINE, scope="t.world_id = %(world)s",
            columns={"request": JSON, "answer": TEXT, "error": TEXT}, also={"request_hash": "''"},
            kept=("model", "role", "type"), batch=500,
        )  # fmt: skip

    def left(self, subject: Subject, since: datetime) -> str:
        """Calls that were under way when all had been gone through."""
        ((count,),) = sql.fetch_rows(OPEN_CALLS, {"world": subject.world_id, "since": since})
        return f"{count} calls of models began before, and are not over" if count else ""


class OutsideCalls(Table):
    """What agents wanted of outside tools, and what these gave."""

    def __init__(self) -> None:
        super().__init__(
            "outside_calls", key={"id": "uuid"}, own=MINE, scope="t.world_id = %(world)s",
            columns={"arguments": JSON, "about": BLANK, "result": TEXT, "error": TEXT}, batch=500,
        )  # fmt: skip

    def left(self, subject: Subject, since: datetime) -> str:
        """Calls that were under way when all had been gone through."""
        query = OPEN_CALLS.replace("mind_calls", "outside_calls")
        ((count,),) = sql.fetch_rows(query, {"world": subject.world_id, "since": since})
        return f"{count} calls of outside tools began before, and are not over" if count else ""


def _lock(keys: list[Key]) -> None:
    locks.lock([UUID(key[0]) for key in keys])


register(
    Agents(),
    ModelCalls(),
    Table("pac_mods", key={"id": "uuid"}, own=MINE, scope=HERE, columns={"name": UNIQUE, "effects": JSONB}),
    Table(
        "agent_messages", key={"number": "bigint"}, scope="t.world_id = %(world)s",
        own="""t.sender_agent_id = %(agent)s::uuid OR t.recipient_id = %(agent)s::uuid
               OR (%(kind)s::text = 'person' AND (t.sender = ANY(%(labels)s) OR t."to" = ANY(%(labels)s)))""",
        columns={"sender": LABEL, "to": LABEL, "text": TEXT, "impersonated_by": LABEL},
    ),
    OutsideCalls(),
    Table("mind_thoughts", key={"agent_id": "uuid"}, own=MINE, scope=HERE, columns={"last_error": TEXT}),
    Table(
        "agent_board_writes", key={"id": "bigint"}, own=MINE, scope="t.world_id = %(world)s", removes="own",
        columns={"key": NAMED, "value": JSON, "author": LABEL}, removed_by=["key"],
    ),
    Table(
        "tick_logs", key={"agent_id": "uuid", "tick_number": "bigint"}, own=MINE, scope=HERE, stage=Stage.LOG,
        columns={
            "action": NAMED, "reasoning": TEXT, "narrative": TEXT, "decision": JSON, "review": JSON,
            "state_changes": JSON, "usage": JSON, "error": TEXT,
        },
        kept=("action", "verdict", "model", "endpoint", "source"), digest=TICK_DIGEST, leaves=True,
    ),
    Table(
        "mind_prompt_templates", key={"id": "uuid"},
        columns={"system": INNER, "user": INNER, "author": LABEL, "note": TEXT},
    ),
    Table("mind_endpoints", key={"id": "uuid"}, columns={"last_error": TEXT}, secret=["api_key"]),
    Table("mind_switch", key={"id": "smallint"}, columns={"by": LABEL, "reason": TEXT}),
)  # fmt: skip
harmless("pac_agents", "lifecycle", "reasoner", "model", "narrator")
harmless("agent_embodiments", "reasoner")
harmless("pac_mods", "kind")
harmless("agent_messages", "status")
harmless("tick_logs", "state_hash", "stat_changes", "memories", "stage_ms")
harmless("mind_calls", "model", "request_hash", "status", "error_class")
harmless("outside_calls", "tool", "status", "code")
harmless("mind_endpoints", "name", "base_url", "model", "tier", "structured")
harmless("mind_prices", "model")
harmless("mind_spending", "scope")
harmless("mind_spending_caps", "scope", "period", "measure")
harmless("mind_reasoners", "node")
