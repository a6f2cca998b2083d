"""Schemathesis against a server in a process of its own, as an operator, in a world of its own.

Rate limits are off: the test is about what is answered, and not how often. One operation is left out, which would shut
the doors that are tried: `domains_switch_off` (`test_system.py` has it).
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.db import transaction

from agents.models import Agent
from domains.thundergate import tokens
from memory import actions as memories
from tests.factories import make_user, make_world, wake_domains
from tests.socket.server import WebServer
from thunderline.config import BASE_DIR
from zones.models import Zone

CONFIG = BASE_DIR / "tests" / "contracts" / "schemathesis.toml"
LONGEST_S = 1200
"""Only ends what hangs; it takes a minute or two on two idle cores."""


@pytest.mark.timeout(LONGEST_S + 60)
@pytest.mark.django_db(transaction=True)
def test_no_request_that_can_be_thought_up_is_answered_wrongly(tmp_path: Path) -> None:
    wake_domains()
    operator: Any = make_user("operator", operator=True)
    config = _config(tmp_path, make_world(zones=2, agents=4))
    server = WebServer(tmp_path, {"THUNDERLINE_LIMITS": "false"})
    server.start()
    try:
        done = _run(server, tokens.issue(operator, by="tests"), config)
    finally:
        server.stop()
    assert done.returncode == 0, f"{done.stdout[-20_000:]}\n{done.stderr[-2000:]}\n{server.log()[-4000:]}"
    assert "Traceback" not in server.log()


def _config(folder: Path, world: Any) -> Path:
    """The usual, and ids of what there is: of others, most that is asked for would not be there."""
    agent = Agent.objects.filter(world=world).first()
    assert agent is not None
    with transaction.atomic():
        memory = memories.store(agent.pk, "Bo taught her how to tie a bowline knot.")
    elsewhere = Zone.objects.exclude(pk=agent.zone_id).values_list("pk", flat=True).get(world=world)  # it is closed
    ids = {"agent_id": agent.pk, "world_id": world.pk, "zone_id": elsewhere, "memory_id": memory}
    given = "".join(f'"path.{name}" = "{one}"\n' for name, one in ids.items())
    config = folder / "schemathesis.toml"
    config.write_text(f"{CONFIG.read_text()}\n[parameters]\n{given}")
    return config


def _run(server: WebServer, token: str, config: Path) -> subprocess.CompletedProcess[str]:
    command = [
        sys.executable, "-m", "schemathesis.cli", "--config-file", str(config), "run", f"{server.origin}/api/schema",
        "--header", f"Authorization: Bearer {token}", "--checks", "all", "--seed", "7", "--max-examples", "8",
        "--workers", "2", "--generation-deterministic", "--no-color",
        "--exclude-operation-id", "domains_switch_off",
    ]  # fmt: skip
    return subprocess.run(command, capture_output=True, text=True, cwd=config.parent, timeout=LONGEST_S, check=False)
