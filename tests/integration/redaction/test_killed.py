"""Killed at any moment, a redaction goes on where it was, and nothing is counted twice."""

from __future__ import annotations

import os
import subprocess
import sys
from urllib.parse import urlsplit, urlunsplit

import pytest
from django.conf import settings
from django.db import connection

from domains.ids import new_id
from domains.redaction import holdings
from domains.redaction.tables import Table
from domains.thundergate import redactions
from domains.thundergate.models import Redaction
from domains.thundergate.redactions import Busy, NoSuchRedaction
from tests.integration.redaction.planting import FIRST, NAME, USER, found, plant, plant_everywhere
from tests.tables import commits  # noqa: F401
from tests.threads import threads

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("commits")]


def start(row: Redaction, pause_s: float) -> subprocess.Popen[str]:
    url = urlunsplit(urlsplit(settings.DATABASE_URL)._replace(path=f"/{connection.settings_dict['NAME']}"))
    words = ["-m", "tests.integration.redaction.runner", str(row.pk), str(pause_s)]
    environ = os.environ | {"DATABASE_URL": url, "DJANGO_SETTINGS_MODULE": "thunderline.settings"}
    return subprocess.Popen([sys.executable, *words], env=environ, stdout=subprocess.PIPE, text=True)


def test_killed_again_and_again_it_comes_to_its_end() -> None:
    _, _, user = plant()
    plant_everywhere()
    subject = redactions.person([NAME, FIRST], user=user)
    expected = redactions.preview(subject)
    row = redactions.request(subject, by="operator", reason="asked")
    reached = []
    for lines in (5, 14, 9, 13):
        with start(row, 0.02) as process:
            assert process.stdout
            for _ in range(lines):
                line = process.stdout.readline()
            process.kill()
        reached.append(line.split()[:2])
        row.refresh_from_db()
        assert (row.status, row.holding != "") == ("running", True)
    assert len({tuple(place) for place in reached}) == len(reached), "it began anew each time"
    done = redactions.run(row.pk, patience_s=0)
    assert done.status == "done"
    assert found([FIRST, "zorb", USER]) == []
    for name, counts in expected.items():
        # Revoking a token says why, and tells it; names go with their entities; and all is recorded.
        if name not in ("events", "access_tokens", "memory_entity_aliases", "audit_log"):
            assert done.counts[name] == counts, name
    assert redactions.verify().problems == []


def test_two_at_once_are_refused_and_an_unknown_one_too() -> None:
    row = redactions.request(redactions.person([NAME]), by="operator", reason="asked")
    refused: list[type[Exception]] = []

    def tell(progress: redactions.Progress) -> None:
        if refused:
            return

        def second() -> None:
            try:
                redactions.run(row.pk)
            except Busy as error:
                refused.append(type(error))

        with threads() as started:
            started.start(second).result(30)

    assert redactions.run(row.pk, tell=tell).status == "done"
    assert refused == [Busy]
    with pytest.raises(NoSuchRedaction):
        redactions.run(new_id())


def test_batches_smaller_than_tables_find_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    _, _, user = plant()
    plant_everywhere()
    for holding in holdings():
        if isinstance(holding, Table):
            monkeypatch.setattr(holding, "batch", 2)
    row = redactions.request(redactions.person([NAME, FIRST], user=user), by="operator", reason="asked")
    assert redactions.run(row.pk, patience_s=0).status == "done"
    assert found([FIRST, "zorb", USER]) == []
    assert redactions.verify().problems == []
