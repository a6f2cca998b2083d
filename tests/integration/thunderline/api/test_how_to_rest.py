"""What `docs/how-to/rest.md` shows is done as it says."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from agents.models import Agent
from domains.thundergate import tokens
from tests.factories import make_user, wake_domains
from tests.integration.thunderline.api.conftest import Api
from tests.socket.server import WebServer
from tests.tables import commits
from thunderline.config import BASE_DIR
from zones.models import World

__all__ = ["commits"]
PAGE = BASE_DIR / "docs" / "how-to" / "rest.md"


def _blocks(kind: str) -> list[str]:
    return re.findall(rf"```{kind}\n(.*?)```", PAGE.read_text(), flags=re.DOTALL)


@pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl here")
@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("commits")
def test_every_command_of_the_page_works(tmp_path: Path) -> None:
    wake_domains()
    operator: Any = make_user("ada", operator=True)
    server = WebServer(tmp_path)
    server.start()
    try:
        given = {"URL": f"{server.origin}/api/v1", "TOKEN": tokens.issue(operator, by="tests")}
        script = "set -euo pipefail\n" + "\n".join(_blocks("sh"))
        done = subprocess.run(
            ["bash", "-c", script], env=os.environ | given, capture_output=True, text=True, timeout=90, cwd=tmp_path
        )
    finally:
        server.stop()
    assert done.returncode == 0, f"{done.stdout[-3000:]}\n{done.stderr[-2000:]}\n{server.log()[-2000:]}"
    assert World.objects.get().target_tick == 10
    assert sorted(Agent.objects.values_list("name", "lifecycle")) == [
        ("Ada", "dormant"), ("Bo", "active"), ("Cy", "active"), ("Di", "active")
    ]  # fmt: skip
    assert Agent.objects.get(name="Ada").openness == 0.95
    assert done.stdout.count('"name":"Di","world_id"') == 2
    assert "says the same words" in done.stdout


def test_the_refusal_of_the_page_is_as_it_says(operator: Any) -> None:
    (shown,) = _blocks("json")
    refused = Api(operator).post("worlds", {"name": "Harbour", "seed": -1})
    assert refused.json() == json.loads(shown)
