"""Operators name outside servers, switch their tools, and see calls: in the admin and from the terminal; audited."""

from __future__ import annotations

import json
from collections.abc import Iterator
from io import StringIO
from ipaddress import ip_network
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.contrib.messages import get_messages
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse

from domains.thundergate.audit import queries as audit
from mcp_server.models import OutsideServer as Row
from mcp_server.models import OutsideTool
from mcp_server.outside import offers
from tests.factories import make_user, wake_domains
from tests.integration.agents.living import live, make_world
from tests.integration.mcp_server.outside_world import calls, known, seeker, serve, switch
from tests.outside_server import TEXT, OutsideServer, echo, outside_server

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(120), pytest.mark.usefixtures("commits")]

FORM = {
    "name": "town", "enabled": "on", "timeout_s": "20", "calls_per_minute": "60", "agent_calls_per_minute": "6",
    "max_in_flight": "4",
}  # fmt: skip
INLINE = {"tools-TOTAL_FORMS": "0", "tools-INITIAL_FORMS": "0"}


@pytest.fixture(autouse=True)
def _awake(db: None, settings: Any) -> None:
    settings.OUTSIDE_NETWORKS = [ip_network("127.0.0.0/8")]
    settings.LIMITS = {**settings.LIMITS, "on": False}
    wake_domains()
    offers.forget()


@pytest.fixture
def server() -> Iterator[OutsideServer]:
    with outside_server() as made:
        made.has("echo", echo, gives=TEXT, description="Says <b>it</b> again.")
        yield made


def at(model: str, page: str = "changelist", *args: object) -> str:
    return reverse(f"admin:{model}_{page}", args=args)


def audited(table: str) -> list[tuple[str, str, dict[str, Any]]]:
    """Action, who and what was new, of all changes of a table's rows in this test, oldest first."""
    return [(e.action, e.actor, e.after or {}) for e in audit.entries(table=table)][::-1]


def test_from_a_name_to_a_call_in_the_admin(server: OutsideServer, as_operator: Client) -> None:
    made = as_operator.post(
        at("mcp_server_outsideserver", "add"), {**FORM, **INLINE, "url": server.url, "key": "t0ken"}
    )
    assert made.status_code == 302, made.content.decode()
    serve()
    row = Row.objects.get()
    assert row.token.reveal() == "t0ken"
    page = as_operator.get(at("mcp_server_outsideserver", "change", row.pk)).content.decode()
    assert "There is a token." in page and "t0ken" not in page and ">echo<" in page
    listed = as_operator.get(at("mcp_server_outsideserver")).content.decode()
    assert "0 of 1" in listed and server.url in listed

    tool = OutsideTool.objects.get()
    page = as_operator.get(at("mcp_server_outsidetool", "change", tool.pk)).content.decode()
    assert "Says &lt;b&gt;it&lt;/b&gt; again." in page
    world, (zone,) = make_world()
    keepers = Group.objects.create(name="keepers")
    given = {"enabled": "on", "roles": [str(keepers.pk)], "worlds": [str(world.pk)]}
    assert as_operator.post(at("mcp_server_outsidetool", "change", tool.pk), given).status_code == 302
    tool.refresh_from_db()
    assert (tool.enabled, list(tool.roles.all()), list(tool.worlds.all())) == (True, [keepers], [world])
    assert "owners: keepers; worlds: World" in as_operator.get(at("mcp_server_outsidetool")).content.decode()
    as_operator.post(at("mcp_server_outsidetool"), {"action": "switch_off", "_selected_action": [tool.pk]})
    tool.refresh_from_db()
    assert (tool.enabled, tool.roles.count()) == (False, 1)

    switch("town.echo", roles=[], worlds=[])
    mara = seeker(zone)
    live(world)
    serve()
    (call,) = calls()
    assert "Mara" in as_operator.get(at("agents_outsidecall"), {"q": "Mara"}).content.decode()
    page = as_operator.get(at("agents_outsidecall", "change", call.pk)).content.decode()
    assert "town.echo" in page and str(mara.name) in page and "&quot;text&quot;" in page


def test_what_is_refused_is_said_on_the_form(as_operator: Client, settings: Any) -> None:
    settings.OUTSIDE_NETWORKS = []
    add = at("mcp_server_outsideserver", "add")
    for fields, sentence in (
        ({"url": "http://10.0.0.1/mcp"}, "not at a public address"),
        ({"url": "ftp://example.org"}, "does not look like"),
        ({"url": "https://example.org/mcp", "name": "a.b"}, "Small letters"),
        ({"url": "https://example.org/mcp", "key": "two words"}, "characters that no token has"),
    ):
        page = as_operator.post(add, {**FORM, **INLINE, **fields})
        assert (page.status_code, sentence in page.content.decode()) == (200, True), fields
    assert not Row.objects.exists()


def test_a_token_does_not_go_elsewhere(as_operator: Client) -> None:
    add = at("mcp_server_outsideserver", "add")
    as_operator.post(add, {**FORM, **INLINE, "url": "https://example.org/mcp", "key": "t0ken"})
    row = Row.objects.get()
    page = at("mcp_server_outsideserver", "change", row.pk)
    answer = as_operator.post(page, {**FORM, **INLINE, "url": "https://thief.example/mcp"})
    said = [str(message) for message in get_messages(answer.wsgi_request)]
    assert said[-1] == "token: it was entered for another address; enter it again, or remove it"
    row.refresh_from_db()
    assert (row.url, row.token.reveal()) == ("https://example.org/mcp", "t0ken")
    as_operator.post(page, {**FORM, **INLINE, "url": "https://other.example/mcp", "forget_key": "on"})
    row.refresh_from_db()
    assert (row.url, bool(row.token)) == ("https://other.example/mcp", False)


def test_gone_and_unfit_tools_stay_off(server: OutsideServer, as_operator: Client) -> None:
    server.has("deep", echo, takes={"type": "object", "$ref": "https://example.org/x"})
    known(server)
    tool = OutsideTool.objects.get(name="deep")
    answer = as_operator.post(at("mcp_server_outsidetool", "change", tool.pk), {"enabled": "on"})
    assert "outside of itself" in " ".join(str(message) for message in get_messages(answer.wsgi_request))
    tool.refresh_from_db()
    assert tool.enabled is False


def test_others_see_nothing_of_it(server: OutsideServer, client: Client) -> None:
    row = known(server)
    for role in ("developer", "viewer"):
        user = make_user(role)
        user.groups.add(Group.objects.get(name=role))
        user.is_staff = True
        user.save()
        client.force_login(user)
        for page in (at("mcp_server_outsideserver"), at("mcp_server_outsidetool"), at("agents_outsidecall")):
            assert client.get(page).status_code == 403, (role, page)
        answer = client.post(at("mcp_server_outsideserver", "delete", row.pk), {"post": "yes"})
        assert answer.status_code == 403
    assert Row.objects.exists()


def test_a_server_is_removed_with_its_tools(server: OutsideServer, as_operator: Client) -> None:
    row = known(server)
    assert as_operator.post(at("mcp_server_outsideserver", "delete", row.pk), {"post": "yes"}).status_code == 302
    assert not Row.objects.exists() and not OutsideTool.objects.exists()


def test_changes_are_in_the_audit_trail_and_the_token_is_not(server: OutsideServer, as_operator: Client) -> None:
    form = {**FORM, **INLINE, "url": server.url, "key": "t0ken"}
    as_operator.post(at("mcp_server_outsideserver", "add"), form)
    row = Row.objects.get()
    as_operator.post(at("mcp_server_outsideserver", "change", row.pk), {**form, "timeout_s": "5", "key": "new-t0ken"})
    serve()
    tool = OutsideTool.objects.get()
    as_operator.post(at("mcp_server_outsidetool"), {"action": "switch_on", "_selected_action": [tool.pk]})
    (added, changed), (switched,) = audited("outside_servers")[-2:], audited("outside_tools")[-1:]
    assert (added[:2], added[2]["url"]) == (("create", "user:operator"), server.url)
    assert (changed[:2], changed[2]["timeout_s"]) == (("change", "user:operator"), 5)
    assert "token" in changed[2] and "t0ken" not in str([added, changed])
    assert switched == ("change", "user:operator", {"enabled": True})


# --- From the terminal ----------------------------------------------------------------------------------------------


def manage(*words: str) -> str:
    out = StringIO()
    call_command("outside_tools", *words, stdout=out)
    return out.getvalue()


def test_from_the_terminal(server: OutsideServer, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "There is no outside server" in manage("list")
    monkeypatch.setenv("THUNDERLINE_OUTSIDE_TOKEN", "t0ken")
    assert "off until" in manage("add", "town", server.url, "--timeout-s", "5")
    serve()
    (found,) = json.loads(manage("list", "--json"))
    assert (found["name"], found["state"], Row.objects.get().timeout_s) == ("town", "ok", 5)
    assert [(one["name"], one["state"], one["where"]) for one in found["tools"]] == [("town.echo", "off", "everywhere")]
    make_world(name="Harbour")
    manage("on", "town.echo", "--world", "Harbour")
    (tool,) = json.loads(manage("list", "--json"))[0]["tools"]
    assert (tool["state"], tool["where"]) == ("on", "world Harbour")
    manage("off", "town.echo")
    assert not OutsideTool.objects.get().enabled
    manage("refresh", "town")
    assert "town.echo" in manage("list")
    manage("remove", "town")
    assert not Row.objects.exists()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("on", "town.echo"), "there is no outside tool 'town.echo'"),
        (("refresh", "town"), "there is no outside server 'town'; there are: none yet"),
        (("add", "town", "http://10.0.0.1/"), "not at a public address"),
        (("on", "town.echo", "--world", "Nowhere"), "there is no world called 'Nowhere'"),
        (("on", "town.echo", "--role", "nobody"), "there is no group 'nobody'"),
    ],
)
def test_mistakes_are_told_in_a_line(words: tuple[str, ...], sentence: str) -> None:
    with pytest.raises(CommandError) as raised:
        manage(*words)
    assert sentence in str(raised.value)


def test_the_process_ends_when_there_is_nothing_to_do(server: OutsideServer) -> None:
    manage("add", "town", server.url)
    call_command("outside", "--once")
    assert OutsideTool.objects.filter(server__name="town", name="echo").exists()
