"""Looking at all rules, writing down what follows, and telling it. One process at a time."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction

from domains import sql
from domains.thunderflow import queries as log
from domains.thunderflow.actions import NewEvent, publish, publish_many
from domains.thunderflow.patterns import BadPattern, matches, to_regex
from domains.thundergate import events
from domains.thundergate.alerts import sources
from domains.thundergate.alerts.decide import Intents, Open, Rule, decide
from domains.thundergate.alerts.models import MOST_COUNT, Alert, AlertRule, AlertWatch

logger = logging.getLogger(__name__)

KEPT = timedelta(days=90)
"""How long alerts that are over are kept."""
MOST_POSITIONS = 1_000_000
"""Of the log in one look; who was away for longer goes on from there."""
MOST_EVENTS = 10_000
# Events of alerts raise none.
HITS = """
SELECT at, topic FROM events
WHERE position > %s AND position <= %s AND '.' || topic ~ ANY(%s::text[]) AND topic NOT LIKE 'gate.alert\\_%%'
ORDER BY position DESC LIMIT %s
"""


class AlertError(Exception):
    """Base of refusals. `code` is stable; the message helps."""

    code = "invalid_payload"


class NoSuchAlert(AlertError):
    """There is none of that id."""

    code = "not_found"


class NothingToAcknowledge(AlertError):
    """It does not fire."""

    code = "wrong_state"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one evaluation did."""

    raised: int
    resolved: int
    firing: int


def evaluate(*, now: datetime) -> Outcome | None:
    """Look at every rule. None while another process does. Some dozen queries, the same for any number of rules.

    Samples are read before the transaction, as they come from tables and files of everybody.
    """
    rules = [rule for rule in AlertRule.objects.filter(enabled=True) if _sound(rule)]
    samples = sources.read({rule.metric for rule in rules if rule.kind == AlertRule.Kind.METRIC})
    AlertWatch.objects.get_or_create(pk=1)
    with transaction.atomic():
        watch = AlertWatch.objects.select_for_update(skip_locked=True).filter(pk=1).first()
        if watch is None:
            return None
        _take_hits(watch, [rule for rule in rules if rule.kind == AlertRule.Kind.EVENT], now)
        rows = Alert.objects.exclude(state=Alert.State.RESOLVED).values_list("id", "rule_id", "key", "state", "since")
        opened = [Open(pk, rule, key, state == Alert.State.FIRING, since) for pk, rule, key, state, since in rows]
        intents = decide([_rule(row) for row in rules], samples, opened, now=now)
        outcome = _carry_out(intents, {rule.pk: rule for rule in rules}, now)
        AlertWatch.objects.filter(pk=1).update(position=watch.position, evaluated_at=now)
        Alert.objects.filter(state=Alert.State.RESOLVED, resolved_at__lt=now - KEPT).delete()
    return outcome


def _sound(rule: AlertRule) -> bool:
    """Whether a rule can be looked at: one that was written past the form must not stop all others."""
    try:
        to_regex(rule.topic or "**")
    except BadPattern as error:
        logger.warning("the alert rule %s is left out: %s", rule.name, error)
        return False
    if not isinstance(rule.labels, dict):
        logger.warning("the alert rule %s is left out: its labels are no object", rule.name)
        return False
    return True


def _rule(row: AlertRule) -> Rule:
    hits = [datetime.fromisoformat(at) for at in row.hits]
    labels = {str(name): str(value) for name, value in row.labels.items()}
    return Rule(row.pk, row.kind, row.metric, labels, row.comparison, row.threshold, row.count, row.seconds, hits)


def _take_hits(watch: AlertWatch, rules: Sequence[AlertRule], now: datetime) -> None:
    """Note when events were that rules ask for, since the last look; of each rule as many as it counts."""
    settled = log.settled()
    after = settled if watch.position is None else max(watch.position, settled - MOST_POSITIONS)
    watch.position = settled
    if not rules or after >= settled:
        found: list[tuple[Any, ...]] = []
    else:
        patterns = [to_regex(rule.topic) for rule in rules]
        found = sql.fetch_rows(HITS, [after, settled, patterns, MOST_EVENTS])[::-1]
    for rule in rules:
        oldest = now - timedelta(seconds=rule.seconds)
        kept = [at for at in rule.hits if datetime.fromisoformat(at) > oldest]
        kept += [at.isoformat() for at, topic in found if at > oldest and matches(rule.topic, topic)]
        kept = kept[-min(rule.count, MOST_COUNT) :]
        if kept != rule.hits:
            rule.hits = kept
            AlertRule.objects.filter(pk=rule.pk).update(hits=kept)


def _carry_out(intents: Intents, rules: dict[Any, AlertRule], now: datetime) -> Outcome:
    new = [
        Alert(
            rule_id=rule_id, key=key, since=now, details=details, severity=rules[rule_id].severity,
            state=Alert.State.FIRING if at_once else Alert.State.PENDING, fired_at=now if at_once else None,
        )
        for rule_id, key, at_once, details in intents.begun
    ]  # fmt: skip
    Alert.objects.bulk_create(new)
    raised = [one for one in new if one.state == Alert.State.FIRING]
    changed = dict(intents.fire) | dict(intents.note)
    rows = {one.pk: one for one in Alert.objects.select_related("rule").filter(pk__in=[*changed, *intents.resolve])}
    for pk, details in intents.fire:
        rows[pk].state, rows[pk].fired_at = Alert.State.FIRING, now
        rows[pk].details = details
        raised.append(rows[pk])
    for pk, details in intents.note:
        rows[pk].details = details
    for pk in intents.resolve:
        rows[pk].state, rows[pk].resolved_at = Alert.State.RESOLVED, now
    Alert.objects.bulk_update(rows.values(), ["state", "fired_at", "resolved_at", "details"], batch_size=500)
    Alert.objects.filter(pk__in=intents.drop).delete()
    resolved = [rows[pk] for pk in intents.resolve]
    _tell(raised, resolved)
    return Outcome(len(raised), len(resolved), len(raised) + len(intents.note))


def _tell(raised: Sequence[Alert], resolved: Sequence[Alert]) -> None:
    told = [
        *(NewEvent(events.ALERTS, events.AlertRaised.topic, _payload(events.AlertRaised, one)) for one in raised),
        *(NewEvent(events.ALERTS, events.AlertResolved.topic, _payload(events.AlertResolved, one)) for one in resolved),
    ]
    publish_many(told)


def _payload(kind: type[events.AlertChanged], one: Alert) -> events.AlertChanged:
    return kind(
        alert_id=one.pk, rule=one.rule.name, severity=one.severity, key=one.key, since=one.since, details=one.details,
        hint=one.rule.hint,
    )  # fmt: skip


def acknowledge(ids: Sequence[int], *, by: str, now: datetime) -> int:
    """Say that somebody has seen to firing alerts. Those seen to already stay with who it was. Returns how many.

    Raises: NoSuchAlert, NothingToAcknowledge.
    """
    with transaction.atomic():
        rows = list(
            Alert.objects.select_for_update(of=("self",)).select_related("rule").filter(pk__in=ids).order_by("pk")
        )
        if missing := sorted({*ids} - {row.pk for row in rows}):
            raise NoSuchAlert(f"there is no alert {missing[0]}; `manage.py alerts list --all` has them")
        if over := [row for row in rows if row.state != Alert.State.FIRING]:
            raise NothingToAcknowledge(f"alert {over[0].pk} does not fire: it is {over[0].state}")
        fresh = [row for row in rows if not row.acknowledged_by]
        Alert.objects.filter(pk__in=[row.pk for row in fresh]).update(acknowledged_by=by, acknowledged_at=now)
        for row in fresh:
            payload = events.AlertAcknowledged(alert_id=row.pk, rule=row.rule.name, key=row.key)
            publish(NewEvent(events.ALERTS, events.AlertAcknowledged.topic, payload, actor=by))
    return len(fresh)
