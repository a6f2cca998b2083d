"""What does not fit is refused by the admin, too, and changes nothing."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib import admin
from django.test import Client
from django.urls import reverse

from tests.factories import make_user, make_world, wake_domains
from tests.unchanged import unchanged

pytestmark = pytest.mark.django_db
NOBODY = "00000000-0000-4000-8000-000000000000"
ODD = ["x", "9" * 30, "%00", "%FF", "a" * 3000, NOBODY]
LISTS = ("zones_world", "agents_agent", "agents_message", "memory_memorynode", "thunderflow_event", "thundergate_user")


@pytest.fixture(autouse=True)
def alive(db: None) -> None:
    wake_domains()
    make_world(agents=2)


def addresses(what: str, *args: Any) -> list[str]:
    models = sorted(model._meta.label_lower.replace(".", "_") for model in admin.site._registry)
    return [reverse(f"admin:{name}_{what}", args=args) for name in models]


@pytest.mark.parametrize("odd", ODD)
def test_ids_that_there_are_not(as_operator: Client, odd: str) -> None:
    with unchanged():
        for place in addresses("change", "PLACE"):
            answer = as_operator.get(place.replace("PLACE", odd))
            assert answer.status_code in (302, 404), place


@pytest.mark.parametrize("odd", ODD)
def test_what_is_asked_of_lists(as_operator: Client, odd: str) -> None:
    with unchanged():
        for place in LISTS:
            for name in ("q", "p", "world"):
                answer = as_operator.get(f"{reverse(f'admin:{place}_changelist')}?{name}={odd}")
                assert answer.status_code in (200, 302, 400, 404), (place, name)


@pytest.mark.parametrize("chosen", ["x", "\0", NOBODY, "9" * 30])
@pytest.mark.parametrize("action", ["step_once", "archive", "fly", ""])
def test_actions_on_what_there_is_not(as_operator: Client, action: str, chosen: str) -> None:
    with unchanged():
        for name in LISTS[:2]:
            data = {"action": action, "_selected_action": chosen}
            answer = as_operator.post(reverse(f"admin:{name}_changelist"), data)
            assert answer.status_code == (302 if chosen.count("-") == 4 else 400)


def test_who_is_staff_of_nothing_changes_nothing(client: Client) -> None:
    client.force_login(make_user("clerk", is_staff=True))
    with unchanged():
        for place in [*addresses("changelist"), *addresses("add")]:
            assert client.get(place).status_code == 403, place
            assert client.post(place, {"action": "archive", "_selected_action": "x"}).status_code == 403, place
