"""`manage.py keys` and `manage.py secrets`, and keys and grants in the admin."""

import io
from typing import Any
from uuid import uuid4

import orjson
import pytest
from django.contrib.auth.models import Permission
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse

from agents.models import Endpoint
from domains.fields import Undecipherable
from domains.thunderflow import queries as log
from domains.thundergate import keys
from domains.thundergate.errors import KeyRevoked
from domains.thundergate.models import ApiKey, MemoryGrant
from tests.conftest import CountQueries
from tests.factories import make_user

pytestmark = pytest.mark.django_db
ADD, LIST = "admin:thundergate_apikey_add", "admin:thundergate_apikey_changelist"


@pytest.fixture
def ada() -> Any:
    return make_user("ada")


def run(*words: str) -> str:
    out = io.StringIO()
    call_command(*words, stdout=out)
    return out.getvalue()


def run_json(*words: str) -> Any:
    return orjson.loads(run(*words, "--json"))


# --- Commands ------------------------------------------------------------------------------------------------


def test_a_key_alone_is_printed_for_scripts(ada: Any) -> None:
    claims, user = keys.read(run("keys", "issue", "ada", "robot", "--scope", "agents:read").strip())
    assert (user.pk, claims.scopes, claims.agent_id) == (ada.pk, ("agents:read",), None)


def test_keys_as_json(ada: Any) -> None:
    agent = str(uuid4())
    made = run_json("keys", "issue", "ada", "robot", "--scope", "agents:read", "--scope", "memory:read", "--days", "7",
                    "--agent", agent)  # fmt: skip
    assert made["key"].startswith(f"tlk_{made['prefix']}_") and made["agent_id"] == agent and made["state"] == "good"
    (listed,) = run_json("keys", "list", "--user", "ada")
    assert "key" not in listed and listed == {name: made[name] for name in listed}
    renewed = run_json("keys", "rotate", made["id"])
    assert renewed["expires_at"] == made["expires_at"] and renewed["key"] != made["key"]
    assert [row["id"] for row in run_json("keys", "list")] == [renewed["id"]]
    assert len(run_json("keys", "list", "--all")) == 2
    assert run_json("keys", "revoke", "--user", "ada", "--reason", "left") == {"revoked": [renewed["id"]]}
    assert "robot" in run("keys", "list", "--all")


@pytest.mark.parametrize(
    ("words", "said"),
    [(("issue", "nobody", "x", "--scope", "agents:read"), "no user called"), (("issue", "ada", "x"), "at least one"),
     (("issue", "ada", "x", "--scope", "fly"), "zone:<id>:join"), (("revoke",), "revoke which"),
     (("revoke", str(uuid4())), "no key is known"), (("rotate", str(uuid4())), "no key is known")],
)  # fmt: skip
def test_what_does_not_fit_is_said(ada: Any, words: tuple[str, ...], said: str) -> None:
    with pytest.raises(CommandError, match=said):
        run("keys", *words)
    assert not ApiKey.objects.exists()


# --- The admin -----------------------------------------------------------------------------------------------


def give(client: Client, owner: Any, **fields: Any) -> Any:
    data = {
        "name": "robot",
        "owner": str(owner.pk),
        "scopes": ["agents:read"],
        "zones": "",
        "agent_id": "",
        "days": "30",
    }
    return client.post(reverse(ADD), data | fields, follow=True)


def test_a_key_is_made_and_shown_once(as_operator: Client, ada: Any) -> None:
    zone = uuid4()
    page = give(as_operator, ada, zones=str(zone)).content.decode()
    row = ApiKey.objects.get()
    assert page.count(f"tlk_{row.prefix}_") == 1
    secret = page.partition(f"tlk_{row.prefix}_")[2][:43]
    claims, _ = keys.read(f"tlk_{row.prefix}_{secret}")
    assert claims.scopes == ("agents:read", f"zone:{zone}:join")
    for url in (reverse(LIST), reverse("admin:thundergate_apikey_change", args=[row.pk])):
        again = as_operator.get(url).content.decode()
        assert row.prefix in again and secret not in again and row.digest not in again
    assert log.read_stream("security", after=0)[-1].actor == "user:operator"


@pytest.mark.parametrize("wrong", [{"name": ""}, {"scopes": []}, {"zones": "here"}, {"days": "-1"}, {"agent_id": "x"}])
def test_a_form_that_does_not_fit_makes_nothing(as_operator: Client, ada: Any, wrong: dict[str, Any]) -> None:
    assert give(as_operator, ada, **wrong).status_code == 200
    assert not ApiKey.objects.exists()


def act(client: Client, action: str, *made: keys.Issued) -> str:
    data = {"action": action, "_selected_action": [str(one.id) for one in made]}
    return client.post(reverse(LIST), data, follow=True).content.decode()


def test_keys_are_revoked_and_renewed(as_operator: Client, ada: Any) -> None:
    one, two = (keys.issue(ada, name="x", scopes=["agents:read"], by="test") for _ in range(2))
    assert "Choose one key" in act(as_operator, "rotate", one, two)
    page = act(as_operator, "rotate", one)
    assert page.count("shown this once: tlk_") == 1
    assert "1 revoked" in act(as_operator, "revoke", two)
    for key in (one, two):
        with pytest.raises(KeyRevoked):
            keys.read(key.secret)
    assert "was revoked" in act(as_operator, "rotate", one)


def test_who_may_only_look_makes_and_ends_nothing(client: Client, ada: Any, member: Any) -> None:
    member.is_staff = True
    member.save()
    member.user_permissions.set(Permission.objects.filter(codename="view_apikey"))
    client.force_login(member)
    key = keys.issue(ada, name="x", scopes=["agents:read"], by="test")
    act(client, "revoke", key)
    assert give(client, ada).status_code == 403
    assert keys.read(key.secret) and ApiKey.objects.count() == 1


def test_the_list_asks_as_much_for_many(as_operator: Client, count_queries: CountQueries) -> None:
    def cost() -> int:
        with count_queries() as statements:
            assert as_operator.get(reverse(LIST)).status_code == 200
        return len(statements)

    keys.issue(make_user("first"), name="x", scopes=["agents:read"], by="test")
    cost()
    few = cost()
    for i in range(10):
        keys.issue(make_user(f"user {i}"), name="x", scopes=["agents:read"], by="test")
    assert cost() == few


def test_grants_are_given_and_ended(as_operator: Client, ada: Any) -> None:
    agent = uuid4()
    data = {"user": str(ada.pk), "agent_id": str(agent), "days": ""}
    assert as_operator.post(reverse("admin:thundergate_memorygrant_add"), data).status_code == 302
    row = MemoryGrant.objects.get()
    assert (row.user_id, row.agent_id, row.granted_by) == (ada.pk, agent, "user:operator")
    page = reverse("admin:thundergate_memorygrant_delete", args=[row.pk])
    assert as_operator.post(page, {"post": "yes"}).status_code == 302
    assert not MemoryGrant.objects.exists()
    topics = [event.topic for event in log.read_stream("security", after=0)]
    assert topics == ["system.memory_granted", "system.memory_grant_ended"]


def test_a_user_with_keys_and_grants_can_be_deleted(as_operator: Client, ada: Any) -> None:
    keys.issue(ada, name="x", scopes=["agents:read"], by="test")
    MemoryGrant.objects.create(user=ada, agent_id=uuid4(), granted_by="x", granted_at="2026-01-01T00:00Z")
    page = reverse("admin:thundergate_user_delete", args=[ada.pk])
    assert as_operator.post(page, {"post": "yes"}).status_code == 302
    assert not ApiKey.objects.exists() and not MemoryGrant.objects.exists()


# --- Stored secrets ------------------------------------------------------------------------------------------


def endpoint(name: str, key: str) -> Endpoint:
    return Endpoint.objects.create(name=name, base_url="http://127.0.0.1:1/v1", model="m", api_key=key)


def test_stored_secrets_are_encrypted_anew(settings: Any) -> None:
    before = settings.SECRET_KEY
    endpoint("one", "sk-first")
    endpoint("none", "")
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "n" * 50, [before]
    endpoint("two", "sk-second")
    assert Endpoint.objects.get(name="one").api_key.reveal() == "sk-first"
    assert run_json("secrets", "status") == {"current": 1, "old": 1, "lost": [], "rotated": False}
    assert run_json("secrets", "rotate")["old"] == 1
    settings.SECRET_KEY_FALLBACKS = []
    assert Endpoint.objects.get(name="one").api_key.reveal() == "sk-first"
    assert run_json("secrets", "status")["current"] == 2


def test_what_cannot_be_read_is_named_and_left(settings: Any) -> None:
    lost = endpoint("one", "sk-first")
    settings.SECRET_KEY = "n" * 50
    with pytest.raises(CommandError, match=f"mind_endpoints {lost.pk}: api_key"):
        run("secrets", "rotate")
    with pytest.raises(Undecipherable):
        Endpoint.objects.get(name="one").api_key.reveal()
