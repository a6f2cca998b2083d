"""`docs/how-to/extend.md`: its package is loaded as people load it, and its people live with it."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import pytest
from django.conf import settings
from django.db import connection

from agents.models import Agent
from tests.integration.agents.living import allow, logs, make_world, people, person
from zones.models import World

HOW_TO = Path(__file__).parents[3] / "docs" / "how-to"

LIVE = """
import json, sys, django
from uuid import UUID
django.setup()
import lighthouse
from agents import actions
from agents.engine import loop

for keeper in sys.argv[2:]:
    actions.apply_mod(UUID(keeper), lighthouse.LAMP, by="operator")
print(json.dumps({"ticks": loop.run(seconds=60, world_id=sys.argv[1]).ticks}))
"""


def test_the_page_shows_the_files_as_they_are() -> None:
    page = (HOW_TO / "extend.md").read_text()
    files = sorted((HOW_TO / "example_plugin" / "lighthouse").glob("*.py"))
    assert len(files) == 5
    for file in files:
        assert f"```python\n{file.read_text().rstrip()}\n```" in page, file.name
    shown = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)
    project = (HOW_TO / "example_plugin" / "pyproject.toml").read_text()
    assert shown
    assert all(block in project for block in shown)


def environ(**more: str) -> dict[str, str]:
    url = urlunsplit(urlsplit(settings.DATABASE_URL)._replace(path=f"/{connection.settings_dict['NAME']}"))
    path = os.pathsep.join([str(HOW_TO / "example_plugin"), *sys.path])
    return os.environ | {"DATABASE_URL": url, "PYTHONPATH": path} | more


@pytest.mark.django_db(transaction=True)
def test_its_keepers_light_the_lamp_and_read_the_tide() -> None:
    world, (zone,) = make_world(seed=3)
    by_rules = person(zone, "Rules")
    keeper = person(zone, "Keeper", reasoner="keeper")
    others = people(zone, 2)
    allow(world, 40)
    done = subprocess.run(
        [sys.executable, "-c", LIVE, str(world.pk), str(by_rules.pk), str(keeper.pk)],
        env=environ(THUNDERLINE_PLUGINS="lighthouse"), capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == {"ticks": 160}
    assert World.objects.get(pk=world.pk).tick == 40
    assert not [log for log in logs(world) if log.error and "not possible" not in log.error]

    lit = {log.tick_number for log in logs(keeper, action="light_the_lamp")}
    duty = {log.tick_number for log in logs(keeper) if log.reasoning == "it is the fourth tick"}
    assert duty == {1, 5, 9, 13, 17, 21, 25, 29, 33, 37} & lit
    assert len(duty) >= 8  # but when there is no oil
    assert logs(by_rules, action="light_the_lamp")
    assert any("marks at the quay" in log.narrative for log in logs(world, action="use_tool"))
    for other in others:
        assert not {"light_the_lamp", "use_tool"} & {log.action for log in logs(other)}
    remembered = Agent.objects.get(pk=others[0].pk).memories.filter(content__contains="lit the lamp over")
    assert remembered.exists()


def test_a_package_that_is_not_there_is_named() -> None:
    done = subprocess.run(
        [sys.executable, "-c", "import django; django.setup()"],
        env=environ(THUNDERLINE_PLUGINS="lightship"), capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.strip() == "THUNDERLINE_PLUGINS: cannot import 'lightship': No module named 'lightship'"
