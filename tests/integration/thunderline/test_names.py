"""Names in which something hides are refused at every door, with a sentence, and nothing is made."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse

from mcp_server import calls
from mcp_server.access import of_user
from tests.factories import make_world, wake_domains
from tests.integration.thunderline.api.conftest import Api
from tests.integration.thunderline.test_operating import AGENT, ZONE, at
from tests.unchanged import unchanged
from zones.models import World

pytestmark = pytest.mark.django_db
HIDING = ["Ada\u202e", "A\nda", "\x1bAda", "A\u2066da"]
TOLD = "control characters"


@pytest.fixture(autouse=True)
def alive(db: None) -> None:
    wake_domains()


@pytest.fixture
def world(operator: Any) -> Any:
    return make_world(by=operator)


@pytest.mark.parametrize("name", HIDING)
def test_pages(as_operator: Client, world: Any, name: str) -> None:
    with unchanged():
        agent = as_operator.post(at("new-agent", world.zones.first()), {**AGENT, "name": name})
        zone = as_operator.post(at("new-zone", world), {**ZONE, "name": name})
        for refused in (agent, zone):
            assert refused.status_code == 200 and TOLD in str(refused.context["form"].errors["name"])


@pytest.mark.parametrize("name", HIDING)
def test_rest(operator: Any, world: Any, name: str) -> None:
    api, zone = Api(operator), world.zones.first()
    tag = api.get(f"worlds/{world.pk}")["ETag"]
    with unchanged():
        for refused in (
            api.post("worlds", {"name": name}),
            api.patch(f"worlds/{world.pk}", {"name": name}, If_Match=tag),
            api.post("zones", {"world_id": str(world.pk), "name": name}),
            api.post("agents", {"zone_id": str(zone.pk), "name": name}),
            api.post("agents/bulk", {"agents": [{"zone_id": str(zone.pk), "name": name}]}),
        ):
            assert refused.status_code in (400, 422), refused.content
            assert "name" in refused.json()["detail"]


@pytest.mark.parametrize("name", HIDING)
def test_ai_clients(operator: Any, world: Any, name: str) -> None:
    who = of_user(operator.get_username(), door="http")
    with unchanged():
        for tool, given in (
            ("pac_create_agent", {"zone": "Zone 0", "name": name}),
            ("zone_create", {"world": world.name, "name": name}),
        ):
            refused = calls.run(who, tool, given, lambda *_: None)
            assert refused.code in ("invalid_arguments", "invalid_payload") and TOLD in refused.text


@pytest.mark.parametrize("name", HIDING)
def test_the_admin(as_operator: Client, operator: Any, world: Any, name: str) -> None:
    forms = {
        "zones_world_add": {"name": name, "seed": 3, "access": "private", "rate": 1, "owner": "", "members": []},
        "zones_zone_add": {
            "world": str(world.pk), "name": name, "capacity": 9, "permissions": [1], "movement_cost": 3,
            "interaction_range": 30, "regeneration": "{}", "environment_interval": 30,
        },
    }  # fmt: skip
    with unchanged():
        for form, given in forms.items():
            refused = as_operator.post(reverse(f"admin:{form}"), given, follow=True)
            assert TOLD in refused.content.decode()
    change = reverse("admin:zones_world_change", args=[world.pk])
    given = {"name": name, "description": "", "access": "open", "rate": 1, "owner": str(operator.pk), "members": []}
    with unchanged():
        assert TOLD in as_operator.post(change, given, follow=True).content.decode()


def test_world_files(tmp_path: Path) -> None:
    file = tmp_path / "w.yaml"
    for text in ('name: "A\\u202Eda"\nzones: [{name: Hill}]', 'name: Ada\nzones: [{name: "Hi\\u202Ell"}]'):
        file.write_text(text)
        with pytest.raises(CommandError, match=TOLD):
            call_command("world", "load", str(file), stdout=io.StringIO())
        assert not World.objects.exists()


def test_names_that_are_there_already_stay(operator: Any, world: Any) -> None:
    World.objects.filter(pk=world.pk).update(name="Har\u202ebour")
    api = Api(operator)
    tag = api.get(f"worlds/{world.pk}")["ETag"]
    assert api.patch(f"worlds/{world.pk}", {"description": "Small."}, If_Match=tag).status_code == 200
    assert World.objects.get().name == "Har\u202ebour"
