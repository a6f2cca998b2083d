"""`manage.py domains` from outside."""

import json
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from domains.thunderblock.models import ActiveDomain
from domains.thunderflow import queries as thunderflow
from tests.factories import beat, wake_domains

pytestmark = pytest.mark.django_db


def domains(*arguments: str) -> Any:
    out = StringIO()
    call_command("domains", *arguments, stdout=out)
    return json.loads(out.getvalue()) if "--json" in arguments else out.getvalue()


def test_every_installed_domain_is_listed_before_the_first_start() -> None:
    found = domains("--json")
    assert {"thunderpac", "thundergrid", "thunderflow"} <= {domain["name"] for domain in found}
    assert {domain["status"] for domain in found} == {"waiting"}
    assert "waiting for a heartbeat" in domains("list")


def test_active_ones_show_their_ticks() -> None:
    wake_domains()
    beat()
    assert {domain["status"] for domain in domains("list", "--json")} == {"active"}
    assert "thunderpac" in domains()


def test_a_domain_is_switched_off_and_on() -> None:
    wake_domains()
    [off] = domains("deactivate", "thunderpac", "--reason", "a rest", "--json")
    assert (off["status"], off["enabled"], off["reason"]) == ("inactive", False, "a rest")
    assert "a rest" in domains("deactivate", "thunderpac")
    assert "for [/ever]" in domains("deactivate", "thundervault", "--reason", "for [/ever]")
    [on] = domains("activate", "thunderpac", "--json")
    assert (on["status"], on["enabled"]) == ("waiting", True)


@pytest.mark.django_db(transaction=True)
def test_switching_tells_who_did_it() -> None:
    wake_domains()
    domains("deactivate", "thunderpac")
    [event] = thunderflow.latest(pattern="system.domain_deactivated", limit=1)
    assert (event.actor, event.payload["domain"]) == ("operator", "thunderpac")


def test_an_unknown_name_changes_nothing() -> None:
    wake_domains()
    with pytest.raises(CommandError, match="there is no domain called 'thunderpaq'; there is thunderpac"):
        domains("deactivate", "thundergrid", "thunderpaq")
    assert not ActiveDomain.objects.filter(enabled=False).exists()
    for arguments in (("activate",), ("list", "thunderpac")):
        with pytest.raises(CommandError):
            domains(*arguments)
