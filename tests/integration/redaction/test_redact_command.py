"""`manage.py redact`, as an operator uses it."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from agents.models import Agent
from domains import sql
from domains.thundergate.models import Redaction
from tests.integration.redaction.planting import NAME, SAID, USER, found, plant
from tests.tables import commits  # noqa: F401

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("commits")]

ASKED = ("--reason", "asked in writing", "--yes", "--patience", "0")


def redact(*words: str) -> str:
    out = io.StringIO()
    call_command("redact", *words, stdout=out, stderr=io.StringIO())
    return out.getvalue()


def data(*words: str) -> Any:
    return json.loads(redact(*words, "--json"))


def test_an_operator_forgets_a_person() -> None:
    plant()
    counts = data("person", "--user", USER, "--name", NAME, "--dry-run")
    assert counts["agent_messages"]["changed"] > 0 and counts["memory_nodes"]["removed"] > 0
    assert "memory_nodes" in redact("person", "--name", NAME, "--dry-run")
    assert not Redaction.objects.filter(kind="person").exists() and found([NAME])

    with pytest.raises(CommandError, match="reason"):
        redact("person", "--name", NAME, "--yes")
    with pytest.raises(CommandError, match="--yes"):
        redact("person", "--name", NAME, "--reason", "asked")  # nobody is at the terminal
    assert found([NAME])

    done = data("person", "--user", USER, "--name", NAME, "--alias", "Quetzalina", *ASKED)
    assert (done["status"], done["kind"], done["counts"]["memory_nodes"]["removed"] > 0) == ("done", "person", True)
    assert found([NAME, USER]) == []
    assert str(done["id"]) in redact("list")
    report = data("verify")
    assert (report["problems"], report["redactions"]) == ([], [done["id"]])
    assert report["head"] in redact("verify", "--expect", report["head"])
    sql.execute("UPDATE events SET actor = 'x' WHERE position = 1")
    with pytest.raises(CommandError, match="1 problems"):
        redact("verify")
    redact("resume")


def test_an_operator_forgets_an_agent() -> None:
    _, agent, _ = plant("Xylomara")
    assert data("agent", "Xylomara", "--world", "Harbour", *ASKED)["status"] == "done"
    assert Agent.objects.get(pk=agent.pk).lifecycle == "archived"
    assert found(["Xylomara"]) == []


def test_what_cannot_be_ended_now_is_gone_on_with() -> None:
    plant()
    sql.execute("UPDATE mind_calls SET status = 'open', started_at = now()")
    with pytest.raises(CommandError, match="resume"):
        redact("person", "--name", NAME, *ASKED)
    sql.execute("UPDATE mind_calls SET status = 'answered'")
    assert data("resume", "--patience", "0")["status"] == "done"


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (("agent", "Nobody", *ASKED), "no agent 'Nobody'"),
        (("person", "--user", "nobody", *ASKED), "no user 'nobody'"),
        (("person", *ASKED), "an account or a name"),
        (("person", "--name", "x", *ASKED), "a name has 2"),
        (("resume", "01890000-0000-7000-8000-000000000000"), "no redaction"),
    ],
)
def test_what_cannot_be_is_refused(words: tuple[str, ...], problem: str) -> None:
    with pytest.raises(CommandError, match=problem):
        redact(*words)
    assert not Redaction.objects.exists()


def test_all_that_is_held_is_given_out(tmp_path: Path) -> None:
    plant()
    file = tmp_path / "about.jsonl"
    rows = data("export", "person", "--name", NAME, str(file))["rows"]
    lines = [json.loads(line) for line in file.read_bytes().splitlines()]
    assert (file.stat().st_mode & 0o777, lines[-1]["rows"], len(lines)) == (0o600, rows, rows + 2)
    assert any(line.get("held_in") == "memory_nodes" and line["row"]["content"] == SAID for line in lines)
    with pytest.raises(CommandError, match="there already"):
        redact("export", "person", "--name", NAME, str(file))
    redact("export", "agent", "Mara", str(tmp_path / "mara.jsonl"))
    assert sorted(one.name for one in tmp_path.iterdir()) == ["about.jsonl", "mara.jsonl"]
    with pytest.raises(CommandError, match="No such file"):
        redact("export", "agent", "Mara", str(tmp_path / "no" / "mara.jsonl"))
