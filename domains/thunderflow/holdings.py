"""What the event log, those who follow it, and the blackboard hold about agents and people."""

from __future__ import annotations

from typing import Any

from domains.redaction import Stage, Subject, harmless, register
from domains.redaction.rules import JSON, JSONB, LABEL, NAMED, TEXT, TOKENS
from domains.redaction.tables import Table
from domains.thunderflow import queries, seals

KEPT = ("action", "change", "code", "error_class", "kind", "resource_type", "stage", "state", "status", "what")
"""Fields of payloads that say what sort of thing happened, in words of the code."""

# What an agent did or what was said to it; what a person said or wrote, or put in an agent's mouth. Agents of several
# worlds may be called alike.
OWN = """(
    t.payload->>'agent_id' = %(agent)s::uuid::text OR t.payload->>'target_id' = %(agent)s::uuid::text
    OR t.payload->>'author' = ANY(%(labels)s)
    OR ((%(kind)s::text = 'person' OR t.stream = ANY(%(streams)s)) AND (
        t.payload->>'sender' = ANY(%(labels)s)
        OR (t.actor = ANY(%(labels)s) AND (
            (t.payload ? 'text' AND (t.payload->>'agent_id') IS NULL)
            OR t.topic LIKE 'zone.%%.impersonated' OR t.topic LIKE 'zone.%%.agent_interaction'))))
)"""
HERE = "t.stream = ANY(%(streams)s) OR NOT (t.stream LIKE 'zone:%%' OR t.stream LIKE 'world:%%')"


class EventLog(Table):
    """`events`, as far as it is sealed: so that what a redaction changes can be told from what somebody altered."""

    def __init__(self) -> None:
        super().__init__(
            "events",
            key={"position": "bigint"},
            columns={"topic": TOKENS, "actor": LABEL, "payload": JSONB},
            own=OWN, scope=HERE, kept=KEPT, digest=seals.DIGEST, leaves=True, stage=Stage.LOG,
        )  # fmt: skip

    def begin(self) -> None:
        """Seal what there is."""
        while seals.sealed_upto() < queries.settled() and seals.seal(seconds=60.0):
            pass

    def bound(self, subject: Subject) -> tuple[str, dict[str, Any]]:
        return "t.position <= %(sealed)s", {"sealed": seals.sealed_upto()}


LETTERS = """(
    t.event->'payload'->>'agent_id' = %(agent)s::uuid::text OR t.event->'payload'->>'target_id' = %(agent)s::uuid::text
    OR t.event->'payload'->>'sender' = ANY(%(labels)s) OR t.event->'payload'->>'author' = ANY(%(labels)s)
)"""
register(
    EventLog(),
    Table(
        "event_dead_letters", key={"id": "uuid"},
        columns={"topic": TOKENS, "event": JSONB, "error": TEXT, "traceback": TEXT, "resolved_by": LABEL},
        own=LETTERS, scope=HERE, stage=Stage.COPY,
        kept=(*KEPT, "at", "correlation_id", "causation_id", "id", "stream", "topic", "actor", "node"),
    ),
    Table(
        "event_parked_streams", key={"id": "bigint"}, columns={"error": TEXT, "traceback": TEXT}, stage=Stage.COPY,
        scope=HERE,
    ),
    Table("event_subscriptions", key={"name": "text"}, columns={"paused_by": LABEL}),
    Table("circuit_breakers", key={"name": "text"}, columns={"last_error": NAMED}, stage=Stage.COPY),
    # A key that names somebody says all there is to say: the entry goes.
    Table(
        "blackboard_entries", key={"key": "text"}, columns={"key": NAMED, "value": JSON, "author": LABEL},
        own="t.author = ANY(%(labels)s)", removed_by=["key"],
    ),
    Table(
        "blackboard_namespaces", key={"name": "text"}, columns={"name": NAMED, "owner": LABEL}, removed_by=["name"],
        stage=Stage.COPY,
    ),
)  # fmt: skip
harmless("events", "stream", "node")
harmless("event_streams", "name")
harmless("event_dead_letters", "stream", "status", "error_class")
harmless("event_parked_streams", "stream", "error_class")
harmless("event_subscriptions", "name", "pattern")
harmless("event_followers", "node", "serves")
harmless("circuit_breakers", "name", "state")
harmless("blackboard_namespaces", "writers")
harmless("event_seals", "digest", "chain", "key_id")
harmless("redacted_rows", "log", "key", "was", "now", "proof", "key_id")
