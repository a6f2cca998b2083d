"""API keys: made, shown once, read, used, ended, renewed."""

import re
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from agents import actions
from domains.thunderflow import queries as log
from domains.thundergate import authentication, keys, tokens
from domains.thundergate.access import Via
from domains.thundergate.errors import GateError, Invalid, NotFound
from domains.thundergate.models import ApiKey
from tests.conftest import CountQueries
from tests.factories import make_user, make_world, wake_domains

pytestmark = pytest.mark.django_db


@pytest.fixture
def ada() -> Any:
    return make_user("ada")


def make(owner: Any, **fields: Any) -> keys.Issued:
    return keys.issue(owner, **{"name": "a robot", "scopes": ["agents:read"], "by": "user:ada"} | fields)


def refusal(key: str) -> str:
    with pytest.raises(GateError) as error:
        keys.read(key)
    assert len(str(error.value)) > 15
    return error.value.code


def test_a_key_says_whose_it_is_and_what_for(ada: Any) -> None:
    agent = uuid4()
    made = make(ada, scopes=["zones:act", "agents:read", "agents:read"], days=2)
    claims, user = keys.read(made.secret)
    assert (claims.id, claims.key_id, user.pk, claims.agent_id) == (made.id, made.id, ada.pk, None)
    assert claims.scopes == ("agents:read", "zones:act")
    assert claims.expires_at is not None and claims.expires_at - claims.issued_at == timedelta(days=2)
    assert ApiKey.objects.get(pk=made.id).expires_at == made.expires_at
    assert ApiKey.objects.get(pk=make(ada, agent_id=agent).id).agent_id == agent
    assert make(ada).expires_at is None


def test_the_secret_is_kept_nowhere_and_told_to_no_event(ada: Any) -> None:
    made = make(ada)
    assert re.fullmatch(r"tlk_[a-z2-7]{10}_[\w-]{43}", made.secret)
    secret = made.secret.removeprefix(f"tlk_{made.prefix}_")
    with connection.cursor() as cursor:
        cursor.execute("SELECT row_to_json(k)::text FROM api_keys k")
        (row,) = cursor.fetchone()
    (event,) = log.read_stream("security", after=0)
    assert secret not in row and secret not in str(event.payload)
    assert (event.topic, event.actor, event.payload["prefix"]) == ("system.key_issued", "user:ada", made.prefix)


@pytest.mark.parametrize(
    ("wrong", "field"),
    [({"name": " "}, "name"), ({"name": "x" * 101}, "name"), ({"name": "a\0b"}, "name"), ({"scopes": []}, "scopes"),
     ({"scopes": ["everything"]}, "scopes"), ({"days": 0}, "days"), ({"days": float("nan")}, "days"),
     ({"days": 1e9}, "days")],
)  # fmt: skip
def test_what_does_not_fit_is_refused_and_makes_nothing(ada: Any, wrong: dict[str, Any], field: str) -> None:
    with pytest.raises(Invalid) as error:
        make(ada, **wrong)
    assert error.value.field == field
    assert not ApiKey.objects.exists() and log.read_stream("security", after=0) == []


def test_a_disabled_account_gets_no_key(ada: Any) -> None:
    ada.is_active = False
    ada.save()
    with pytest.raises(tokens.AccountDisabled):
        make(ada)


@pytest.mark.parametrize(
    "wrong", ["", "tlk_", "tlk_abc_def", "\0", "tlk_abcdefghij_" + "x" * 43, "tlk_" + "é" * 50, "x" * 10_000]
)
def test_what_is_no_key_of_ours(ada: Any, wrong: str) -> None:
    make(ada)
    assert refusal(wrong) == "key_invalid"


def test_a_key_with_another_secret_or_prefix(ada: Any) -> None:
    one, two = make(ada), make(ada)
    assert refusal(one.secret[:-1] + ("A" if one.secret[-1] != "A" else "B")) == "key_invalid"
    assert refusal(one.secret.replace(one.prefix, two.prefix)) == "key_invalid"


def test_a_key_ends_with_its_time_its_owner_or_by_being_revoked(ada: Any) -> None:
    late, gone, good = make(ada, days=1), make(ada), make(ada)
    past = timezone.now() - timedelta(days=3)
    ApiKey.objects.filter(pk=late.id).update(created_at=past, expires_at=past + timedelta(days=1))
    assert refusal(late.secret) == "key_expired"
    assert keys.revoke([gone.id], by="user:eve", reason="lost") == [gone.id]
    assert keys.revoke([gone.id], by="user:eve", reason="again") == []
    assert refusal(gone.secret) == "key_revoked"
    (event,) = [event for event in log.read_stream("security", after=0) if event.topic == "system.key_revoked"]
    assert (event.actor, event.payload["reason"]) == ("user:eve", "lost")
    ada.is_active = False
    ada.save()
    assert refusal(good.secret) == "account_disabled"


def test_an_unknown_id_revokes_nothing(ada: Any) -> None:
    made = make(ada)
    with pytest.raises(NotFound):
        keys.revoke([made.id, UUID(int=7)], by="operator", reason="")
    assert keys.read(made.secret)
    assert keys.revoke_all(user_id=ada.pk, by="operator", reason="left") == [made.id]


def test_a_key_is_renewed_with_the_same_uses_and_the_same_end(ada: Any) -> None:
    old = make(ada, scopes=["memory:read"], days=3)
    new = keys.rotate(old.id, by="user:ada")
    claims, _ = keys.read(new.secret)
    assert (claims.scopes, new.expires_at) == (("memory:read",), old.expires_at)
    assert refusal(old.secret) == "key_revoked"
    with pytest.raises(GateError, match="revoked"):
        keys.rotate(old.id, by="user:ada")
    with pytest.raises(NotFound):
        keys.rotate(uuid4(), by="user:ada")


def test_reading_costs_one_query_and_says_once_a_minute_that_it_was_used(ada: Any, count_queries: CountQueries) -> None:
    made = make(ada)
    with count_queries() as first:
        keys.read(made.secret)
    used = ApiKey.objects.get(pk=made.id).last_used_at
    with count_queries() as second:
        keys.read(made.secret)
    assert (len(first), len(second)) == (2, 1)
    assert used is not None and ApiKey.objects.get(pk=made.id).last_used_at == used
    ApiKey.objects.update(last_used_at=used - timedelta(seconds=90))
    keys.read(made.secret)
    assert ApiKey.objects.get(pk=made.id).last_used_at >= used


def test_a_new_signing_key_believes_those_that_it_replaced(ada: Any, settings: Any) -> None:
    made, before = make(ada), settings.SECRET_KEY
    settings.SECRET_KEY = "n" * 50
    assert refusal(made.secret) == "key_invalid"
    settings.SECRET_KEY_FALLBACKS = [before]
    assert keys.read(made.secret)


def test_a_key_for_an_agent_rests_with_it(ada: Any) -> None:
    wake_domains()
    world = make_world(agents=1, by=ada)
    agent = world.agents.get()
    made = make(ada, agent_id=agent.pk)
    assert keys.read(made.secret)[0].agent_id == agent.pk
    actions.suspend([agent.pk], by="test")
    assert refusal(made.secret) == "agent_suspended"
    actions.activate([agent.pk], by="test")
    assert keys.read(made.secret)
    assert refusal(make(ada, agent_id=uuid4()).secret) == "agent_suspended"


def test_what_the_database_refuses(ada: Any) -> None:
    made = make(ada)
    for wrong in ({"name": ""}, {"scopes": []}, {"expires_at": timezone.now() - timedelta(days=9)}):
        with pytest.raises(IntegrityError), transaction.atomic():
            ApiKey.objects.filter(pk=made.id).update(**wrong)


def test_one_door_for_all_that_can_be_shown(ada: Any) -> None:
    key, token = make(ada).secret, tokens.issue(ada, by="user:ada")
    for credential, via in ((key, Via.KEY), (token, Via.TOKEN)):
        who = authentication.authenticate(f"bearer  {credential}", address="10.0.0.7")
        assert (who.user.pk, who.via, who.actor, who.address) == (ada.pk, via, "user:ada", "10.0.0.7")
    for wrong in (None, "", b"", "Bearer", "Bearer ", "Basic YTpi", key):
        with pytest.raises(authentication.NoCredential):
            authentication.authenticate(wrong)
    for wrong in ("x", "a.b.c", "tlk_x", "\0", "x" * 5000, "é" * 20, "a.b", f"{token}x"):
        with pytest.raises(GateError) as error:
            authentication.authenticate(f"Bearer {wrong}")
        assert error.value.status == 401
