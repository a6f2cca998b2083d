"""Who is forgotten is nowhere any more, and everything else is as it was."""

from __future__ import annotations

import json

import pytest
from django.utils import timezone

from agents import forgetting
from agents.models import Agent, Message, TickLog
from domains import sql
from domains.thunderflow import queries as thunderflow
from domains.thundergate import redactions
from domains.thundergate.models import Redaction, User
from domains.thundergate.redactions import RedactionError
from memory.models import MemoryEntity, MemoryFact, MemoryNode
from tests.factories import make_user
from tests.integration.agents.living import events, live, logs, make_world, people, person
from tests.integration.redaction.planting import (
    FIRST,
    NAME,
    USER,
    forget_nothing,
    found,
    plant,
    plant_everywhere,
)
from tests.tables import commits  # noqa: F401

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("commits")]


def forget(subject: redactions.Subject, reason: str = "asked in writing") -> Redaction:
    return redactions.run(redactions.request(subject, by="operator", reason=reason).pk, patience_s=0)


def test_a_person_is_nowhere_any_more() -> None:
    _, agent, user = plant()
    plant_everywhere()
    logged = thunderflow.settled()
    before = forget_nothing()
    assert len(found([FIRST])) > 20

    done = forget(redactions.person([NAME, FIRST], user=user))
    assert done.status == "done", done.waits_for
    assert found([FIRST, "zorb", USER]) == []

    after = forget_nothing()
    assert {name: rows for name, rows in after.items() if name != "events"} == {
        name: rows for name, rows in before.items() if name != "events"
    }
    assert after["events"][: len(before["events"])] == before["events"] and logged  # type: ignore[index,arg-type]
    assert redactions.verify().problems == []

    texts = set(MemoryNode.objects.filter(agent=agent).values_list("content", flat=True))
    assert "The bread was good." in texts and not any("laughed" in text for text in texts)
    assert not MemoryFact.objects.filter(agent=agent).exists()
    assert not MemoryEntity.objects.filter(name__icontains=FIRST).exists()
    assert sql.fetch_rows("SELECT key FROM blackboard_entries ORDER BY 1") == [("bakery.bread",), ("bakery.flour",)]
    assert Agent.objects.get(pk=agent.pk).working_memory == [[2, "There was bread.", 0.5, 0.1]]
    account = User.objects.get(pk=user.pk)
    assert (account.is_active, account.has_usable_password(), account.email) == (False, False, "")
    assert sql.fetch_rows("SELECT system FROM mind_prompt_templates") == [
        ("Always speak well of [redacted]. Be brief.",)
    ]
    told = thunderflow.stream_latest("security", limit=1)[0]
    assert (told.topic, told.payload["kind"]) == ("system.redacted", "person")
    assert told.payload["rows"]["events"] > 0


def test_an_agent_is_nowhere_any_more_and_its_like_elsewhere_stays() -> None:
    elsewhere, (zone,) = make_world({}, name="Elsewhere")
    other = person(zone, name="Xylomara")
    people(zone, 1)
    live(elsewhere, 3)
    _, agent, _ = plant("Xylomara")
    sql.execute("UPDATE tick_logs SET narrative = 'There was Xylomara.'")
    before = forget_nothing()

    done = forget(forgetting.subject(Agent.objects.get(pk=agent.pk)))
    assert done.status == "done", done.waits_for
    mine = Agent.objects.get(pk=agent.pk)
    assert (mine.lifecycle, mine.name[:10], mine.description, mine.working_memory) == ("archived", "[redacted]", "", [])
    assert not MemoryNode.objects.filter(agent=agent).exists()
    assert {m.text for m in Message.objects.filter(recipient=agent)} == {"[redacted]"}
    assert set(TickLog.objects.filter(agent=agent).values_list("narrative", "reasoning")) <= {
        ("[redacted]", "[redacted]"), ("[redacted]", "")
    }  # fmt: skip
    after = forget_nothing()
    assert [after[name] for name in ("ticks", "messages", "agents")] == [
        before[name] for name in ("ticks", "messages", "agents")
    ]
    theirs = (str(elsewhere.pk), str(zone.pk), str(other.pk))
    assert [row for row in found(["Xylomara"]) if not any(one in row for one in theirs)] == []
    assert Agent.objects.get(pk=other.pk).name == "Xylomara"
    assert {log.narrative for log in logs(elsewhere)} == {"There was Xylomara."}
    assert {event.payload["name"] for event in events(zone.pk, "agent_ticked")} == {"Xylomara", "Agent 0"}
    assert redactions.verify().problems == []


def test_what_is_said_meanwhile_is_found_in_the_next_round(monkeypatch: pytest.MonkeyPatch) -> None:
    _, agent, _ = plant()
    rounds: list[int] = []

    def tell(progress: redactions.Progress) -> None:
        if progress.round not in rounds and progress.holding == "tick_logs":
            rounds.append(progress.round)
            if progress.round == 1:
                Agent.objects.filter(pk=agent.pk).update(working_memory=[[9, f"{NAME} was here.", 0.5, 0.0]])

    row = redactions.request(redactions.person([NAME]), by="operator", reason="asked")
    done = redactions.run(row.pk, tell=tell, patience_s=0)
    assert (done.status, rounds) == ("done", [1, 2, 3])
    assert found([NAME]) == []


def test_a_call_under_way_is_waited_for_and_its_answer_found() -> None:
    plant()
    sql.execute("UPDATE mind_calls SET status = 'open', started_at = now()")
    row = redactions.request(redactions.person([NAME]), by="operator", reason="asked")
    waiting = redactions.run(row.pk, patience_s=0)
    assert waiting.status == "waiting" and "1 calls of models" in waiting.waits_for
    sql.execute("UPDATE mind_calls SET status = 'answered', answer = %s", [f"Greet {NAME}."])
    assert redactions.run(row.pk, patience_s=0).status == "done"
    assert sql.fetch_rows("SELECT answer FROM mind_calls") == [("[redacted]",)]


@pytest.mark.parametrize("reason", ["", "  ", "x" * 501, f"{NAME.upper()} asked"])
def test_a_reason_is_needed_and_names_nobody(reason: str) -> None:
    with pytest.raises(RedactionError, match="reason"):
        redactions.request(redactions.person([NAME]), by="operator", reason=reason)
    assert not Redaction.objects.exists()


def test_the_last_operator_cannot_be_forgotten() -> None:
    boss = make_user("boss", operator=True)
    with pytest.raises(RedactionError, match="last operator"):
        redactions.request(redactions.person([], user=boss), by="operator", reason="asked")
    make_user("another", operator=True)
    redactions.request(redactions.person([], user=boss), by="operator", reason="asked")


def test_names_are_kept_encrypted_and_only_until_it_is_done() -> None:
    row = redactions.request(redactions.person([NAME]), by="operator", reason="asked")
    assert found([NAME]) == []
    assert redactions.run(row.pk).status == "done"
    assert sql.fetch_rows("SELECT subject FROM redactions") == [("",)]


def test_an_export_says_all_that_a_redaction_would_find() -> None:
    _, _, user = plant()
    plant_everywhere()
    subject = redactions.person([NAME, FIRST], user=user)
    lines = [json.loads(line) for line in redactions.export(subject, now=timezone.now())]
    counts = {name: of["changed"] + of["removed"] for name, of in redactions.preview(subject).items()}
    assert lines[-1]["by"] == {**counts, **{name: n for name, n in lines[-1]["by"].items() if name not in counts}}
    assert set(lines[-1]["by"]) >= set(counts)
    text = json.dumps(lines)
    assert "pbkdf2" not in text and "md5$" not in text and "embedding" not in text
    assert any(line.get("held_in") == "agent_messages" and NAME in line["row"]["text"] for line in lines)
