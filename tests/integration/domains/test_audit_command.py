"""`manage.py audit`, and commands as a door."""

from __future__ import annotations

import json
import subprocess
import sys
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from domains.thundergate.audit import queries
from domains.thundergate.models import AuditEntry
from tests.integration.agents.living import make_world
from thunderline.config import BASE_DIR

pytestmark = pytest.mark.django_db


def run(*words: str) -> str:
    out = StringIO()
    call_command("audit", *words, stdout=out)
    return out.getvalue()


def test_changes_are_listed_and_shown() -> None:
    world, _ = make_world(name="Harbour")
    found: Any = json.loads(run("list", "--table", "worlds", "--object", str(world.pk), "--since", "1h", "--json"))
    assert [(row["action"], row["after"]["name"]) for row in found] == [("create", "Harbour")]
    assert "Harbour" in run("show", str(found[0]["id"]))
    assert json.loads(run("show", str(found[0]["id"]), "--json"))["object_id"] == str(world.pk)
    assert str(world.pk) in run("list", "--table", "worlds")
    assert json.loads(run("list", "--until", "1h", "--object", str(world.pk), "--json")) == []


@pytest.mark.parametrize(
    "words", [("show", "999999999999"), ("show", "x"), ("list", "--since", "soon"), ("list", "--table", "events"),
              ("list", "--since", "2026-13-45"), ("list", "--limit", "0"), ("list", "--door", "window")],
)  # fmt: skip
def test_what_is_wrong_is_said(words: tuple[str, ...]) -> None:
    with pytest.raises(CommandError):
        run(*words)


@pytest.mark.django_db(transaction=True)
def test_a_command_is_a_door(settings: Any) -> None:
    database = settings.DATABASES["default"]
    code = (
        "import sys; from django.conf import settings; "
        f"import django; django.setup(); settings.DATABASES['default']['NAME'] = {database['NAME']!r}; "
        "from thunderline import command_line as c; "
        "c._execute(['manage.py', 'shell', '-v', '0', '-c', "
        "'from django.contrib.auth.models import Group; Group.objects.create(name=\"by command\")'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=BASE_DIR, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    entry: AuditEntry | None = queries.entries(table="auth_group", door="command").first()
    assert entry is not None and (entry.actor, entry.after) == ("operator", {"name": "by command"})
    assert entry.request.startswith("shell by ")
