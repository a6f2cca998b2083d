"""What scopes there are, which of them cover which, and that nothing is covered by accident."""

from uuid import UUID, uuid4

import pytest
from django.contrib.auth.models import Permission
from hypothesis import given
from hypothesis import strategies as st

from domains.thundergate import roles, scopes
from domains.thundergate.errors import Invalid
from domains.thundergate.scopes import SCOPES, covers

ZONE = UUID(int=7)
NAMES = st.sampled_from([*SCOPES, scopes.zone_join(ZONE), scopes.zone_join(UUID(int=8))])


@given(st.lists(NAMES, min_size=1, max_size=30))
def test_scopes_are_sorted_and_each_is_there_once(given_: list[str]) -> None:
    found = scopes.parse([f" {name.upper()} " for name in given_])
    assert found == sorted(set(given_))
    assert scopes.parse(found) == found


@pytest.mark.parametrize("wrong", ["", "agents", "agents:fly", "*", "zone:7:join", f"zone:{ZONE}:write", "agents:*"])
def test_what_there_is_not_is_refused(wrong: str) -> None:
    with pytest.raises(Invalid) as refusal:
        scopes.parse([wrong])
    assert refusal.value.field == "scopes"


def test_a_key_has_a_bounded_number_of_scopes() -> None:
    with pytest.raises(Invalid, match="too many"):
        scopes.parse([scopes.zone_join(uuid4()) for _ in range(scopes.MOST + 1)])


@given(st.lists(NAMES, max_size=6), NAMES)
def test_what_covers_what(granted: list[str], wanted: str) -> None:
    """The rule in other words: itself, to read by to write, a zone by all zones."""
    expected = wanted in granted
    if wanted.endswith(":read"):
        expected |= wanted.replace(":read", ":write") in granted
    if wanted.startswith("zone:"):
        expected |= "zones:act" in granted
    assert covers(granted, wanted) is expected
    assert covers(None, wanted)


@given(st.text(max_size=40), st.none() | st.lists(st.text(max_size=40), max_size=3))
def test_what_is_no_scope_is_covered_by_nothing(wanted: str, granted: list[str] | None) -> None:
    assert wanted in SCOPES or not covers(granted, wanted)


def test_roles_have_what_the_table_says() -> None:
    known = ["agents.view_agent", "agents.delete_agent", "thundergate.change_user", "zones.change_zone"]
    assert roles.allowed("admin", known) == set(known)
    assert roles.allowed("developer", known) == {"agents.view_agent", "zones.change_zone"}
    assert roles.allowed("viewer", known) == {"agents.view_agent"}


@pytest.mark.django_db
def test_every_permission_that_a_table_names_is_there() -> None:
    rows = Permission.objects.values_list("content_type__app_label", "codename")
    known = {f"{app}.{codename}" for app, codename in rows}
    named = {name for role in roles.ROLES.values() for name in role.permissions if name != "*"}
    named |= {scope.permission for scope in SCOPES.values() if scope.permission}
    assert named <= known
