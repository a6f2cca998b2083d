"""Tokens: good until they expire, are revoked or their user is disabled; each change is told, no token ever is."""

from __future__ import annotations

import re
from datetime import timedelta
from itertools import chain
from typing import Any
from uuid import UUID, uuid4

import orjson
import pytest
from django.db import IntegrityError, close_old_connections, transaction
from django.utils import timezone

from domains import sql
from domains.thunderflow import queries as log
from domains.thunderflow.payloads import payload_type, typed
from domains.thundergate import events, tokens
from domains.thundergate.models import AccessToken
from tests.conftest import CountQueries
from tests.factories import make_user
from tests.threads import at_once, break_connection, threads

pytestmark = pytest.mark.django_db


@pytest.fixture
def ada() -> Any:
    return make_user("ada")


def make_token(user: Any, **fields: Any) -> str:
    return tokens.issue(user, **{"by": "user:ada", **fields})


def let_pass(seconds: float) -> None:
    """As if all tokens had been issued earlier."""
    sql.execute(
        "UPDATE access_tokens SET issued_at = issued_at - make_interval(secs => %(s)s), "
        "expires_at = expires_at - make_interval(secs => %(s)s)",
        {"s": seconds},
    )


def refusal(token: str) -> str:
    with pytest.raises(tokens.TokenError) as error:
        tokens.read(token)
    return error.value.code


def told() -> list[log.StoredEvent]:
    return [event for event in log.read_stream("security", after=0) if event.topic.startswith("system.token")]


# --- Issuing and reading -------------------------------------------------------------------------------------


def test_a_token_says_whose_it_is_and_how_long(ada: Any) -> None:
    before = timezone.now()
    claims = tokens.read(make_token(ada))
    assert (claims.user_id, claims.agent_id) == (ada.pk, None)
    assert claims.expires_at - claims.issued_at == timedelta(hours=1)
    assert abs(claims.issued_at - before) < timedelta(seconds=30)
    assert claims.issued_at.utcoffset() == timedelta(0)


def test_it_can_speak_for_an_agent_and_live_as_long_as_one_likes(ada: Any) -> None:
    agent = uuid4()
    claims = tokens.read(make_token(ada, agent_id=agent, ttl_s=0.5 + 60))
    assert claims.agent_id == agent
    assert claims.expires_at - claims.issued_at == timedelta(seconds=60.5)


@pytest.mark.parametrize("ttl_s", [0, -1, 24 * 3600 + 0.1, float("inf"), float("nan")])
def test_a_life_that_is_none_or_too_long_is_refused(ada: Any, ttl_s: float) -> None:
    with pytest.raises(tokens.BadLifetime):
        make_token(ada, ttl_s=ttl_s)
    assert not AccessToken.objects.exists()


def test_a_token_needs_no_quoting_anywhere(ada: Any) -> None:
    token = make_token(ada)
    assert re.fullmatch(r"[A-Za-z0-9._-]+", token)
    assert len(token) < tokens.LONGEST / 2


def test_a_token_expires_on_the_database_s_clock(ada: Any) -> None:
    token = make_token(ada, ttl_s=100)
    let_pass(99)
    assert tokens.read(token).user_id == ada.pk
    let_pass(2)
    assert refusal(token) == "token_expired"


def test_an_expired_token_is_told_from_an_unknown_one_after_its_row_is_gone(
    ada: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = make_token(ada, ttl_s=100)
    AccessToken.objects.all().delete()
    assert refusal(token) == "token_invalid"
    later = timezone.now().timestamp() + 101
    monkeypatch.setattr("time.time", lambda: later)
    assert refusal(token) == "token_expired"


def test_a_disabled_account_has_no_tokens(ada: Any) -> None:
    token = make_token(ada)
    ada.is_active = False
    ada.save(update_fields=["is_active"])
    assert refusal(token) == "account_disabled"
    with pytest.raises(tokens.AccountDisabled, match="the account ada is disabled"):
        make_token(ada)
    ada.is_active = True
    ada.save(update_fields=["is_active"])
    assert tokens.read(token).user_id == ada.pk


def test_tokens_go_with_their_user(ada: Any) -> None:
    token = make_token(ada)
    ada.delete()
    assert refusal(token) == "token_invalid"


def test_a_token_of_a_former_key_is_good_while_the_key_is_kept(ada: Any, settings: Any) -> None:
    token = make_token(ada)
    settings.SECRET_KEY, former = "another" * 8, settings.SECRET_KEY
    assert refusal(token) == "token_invalid"
    settings.SECRET_KEY_FALLBACKS = [former]
    assert tokens.read(token).user_id == ada.pk


def test_reading_is_one_query_and_none_for_rubbish(ada: Any, count_queries: CountQueries) -> None:
    token = make_token(ada, agent_id=uuid4())
    with count_queries() as statements:
        tokens.read(token)
    assert len(statements) == 1
    with count_queries() as statements:
        refusal(token[:-1])
    assert statements == []


# --- Revoking ------------------------------------------------------------------------------------------------


def test_a_revoked_token_stays_so(ada: Any) -> None:
    token, other = make_token(ada, ttl_s=100), make_token(ada)
    claims = tokens.read(token)
    assert tokens.revoke([claims.id], by="user:eve", reason="lost") == [claims.id]
    assert refusal(token) == "token_revoked"
    let_pass(101)
    assert refusal(token) == "token_revoked"
    assert tokens.read(other)
    row = AccessToken.objects.get(pk=claims.id)
    assert (row.revoked_by, row.reason) == ("user:eve", "lost")
    assert tokens.revoke([claims.id], by="user:bob", reason="again") == []
    row.refresh_from_db()
    assert row.revoked_by == "user:eve"


def test_one_unknown_id_revokes_nothing(ada: Any) -> None:
    token = make_token(ada)
    with pytest.raises(tokens.TokenNotFound, match=str(UUID(int=7))):
        tokens.revoke([tokens.id_of(token), UUID(int=7)], by="operator", reason="")
    assert tokens.read(token)
    assert tokens.revoke([], by="operator", reason="") == []


def test_all_good_ones_of_a_user_or_for_an_agent(ada: Any) -> None:
    bob, agent = make_user("bob"), uuid4()
    expired = make_token(ada)
    let_pass(3601)
    mine, for_agent, bobs = make_token(ada), make_token(ada, agent_id=agent), make_token(bob, agent_id=agent)
    assert tokens.revoke_all(user_id=bob.pk, agent_id=uuid4(), by="operator", reason="") == []
    assert tokens.revoke_all(user_id=bob.pk, agent_id=agent, by="operator", reason="") == [tokens.id_of(bobs)]
    assert tokens.revoke_all(agent_id=agent, by="operator", reason="archived") == [tokens.id_of(for_agent)]
    assert tokens.revoke_all(user_id=ada.pk, by="operator", reason="left") == [tokens.id_of(mine)]
    assert refusal(expired) == "token_expired"


def test_nobody_revokes_everybody_s_by_mistake() -> None:
    with pytest.raises(ValueError, match="a user, an agent or a key"):
        tokens.revoke_all(by="operator", reason="")


def test_what_is_asked_once_a_second(ada: Any, count_queries: CountQueries) -> None:
    bob = make_user("bob", is_active=False)
    expired = make_token(ada)
    let_pass(3601)
    good, revoked = make_token(ada), make_token(ada)
    ids = [tokens.id_of(token) for token in (expired, good, revoked)]
    tokens.revoke(ids[2:], by="operator", reason="")
    unknown = uuid4()
    with count_queries() as statements:
        over, disabled = tokens.no_longer({*ids, unknown}, [ada.pk, bob.pk, unknown])
    assert (over, disabled) == ({ids[0], ids[2], unknown}, {bob.pk, unknown})
    assert len(statements) == 2
    with count_queries() as statements:
        assert tokens.no_longer([], []) == (set(), set())
    assert statements == []


def test_a_thousand_are_asked_for_in_as_many_queries(ada: Any, count_queries: CountQueries) -> None:
    ids = [uuid4() for _ in range(1000)]
    with count_queries() as statements:
        assert tokens.no_longer(ids, ids) == (set(ids), set(ids))
    assert len(statements) == 2


# --- What is told, kept and let go ---------------------------------------------------------------------------


def test_each_change_is_told_and_no_token_ever(ada: Any) -> None:
    agent = uuid4()
    token = make_token(ada, agent_id=agent)
    claims = tokens.read(token)
    tokens.revoke([claims.id], by="operator", reason="lost")
    tokens.revoke([claims.id], by="operator", reason="once more")
    issued, revoked = told()
    assert (issued.topic, issued.actor) == ("system.token_issued", "user:ada")
    assert typed(issued) == events.TokenIssued(
        token_id=claims.id, user_id=ada.pk, agent_id=agent, expires_at=claims.expires_at
    )
    assert (revoked.topic, revoked.actor) == ("system.token_revoked", "operator")
    assert typed(revoked) == events.TokenRevoked(token_id=claims.id, user_id=ada.pk, agent_id=agent, reason="lost")
    assert token.rpartition(".")[2].encode() not in orjson.dumps([issued.plain(), revoked.plain()])
    assert payload_type("system.token_issued") is events.TokenIssued


def test_what_is_undone_is_neither_kept_nor_told(ada: Any) -> None:
    with pytest.raises(RuntimeError), transaction.atomic():
        make_token(ada)
        raise RuntimeError
    assert not AccessToken.objects.exists()
    assert told() == []


def test_rows_of_expired_tokens_go_after_a_week(ada: Any) -> None:
    make_token(ada)
    let_pass(tokens.KEPT_DAYS * 86_400 + 3601)
    kept = make_token(ada, ttl_s=60)
    tokens.revoke([tokens.id_of(kept)], by="operator", reason="")
    assert tokens.sweep() == 1
    assert [row.pk for row in AccessToken.objects.all()] == [tokens.id_of(kept)]
    assert tokens.sweep() == 0


def test_listing_is_newest_first_and_says_the_state(ada: Any, count_queries: CountQueries) -> None:
    agent = uuid4()
    expired = make_token(ada)
    let_pass(3601)
    good, revoked = make_token(ada), make_token(make_user("bob"), agent_id=agent)
    tokens.revoke([tokens.id_of(revoked)], by="operator", reason="")
    now = timezone.now()
    with count_queries() as statements:
        found = [(row.pk, row.user.username, str(row.state(now))) for row in tokens.issued()]
    assert found == [
        (tokens.id_of(revoked), "bob", "revoked"), (tokens.id_of(good), "ada", "good"),
        (tokens.id_of(expired), "ada", "expired"),
    ]  # fmt: skip
    assert len(statements) == 1
    assert [row.pk for row in tokens.issued(good=True)] == [tokens.id_of(good)]
    assert [row.pk for row in tokens.issued(agent_id=agent)] == [tokens.id_of(revoked)]
    assert [row.pk for row in tokens.issued(user_id=ada.pk, good=True)] == [tokens.id_of(good)]


def test_a_row_without_a_life_cannot_be(ada: Any) -> None:
    now = timezone.now()
    with pytest.raises(IntegrityError, match="access_token_has_a_life"):
        AccessToken.objects.create(user=ada, issued_at=now, expires_at=now)


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("commits")
def test_revocations_at_once_tell_one_event(ada: Any) -> None:
    ids = [tokens.id_of(make_token(ada)) for _ in range(20)]
    revoked = at_once(
        *[lambda: tokens.revoke(ids, by="operator", reason="")] * 2,
        *[lambda: tokens.revoke_all(user_id=ada.pk, by="operator", reason="")] * 2,
    )
    assert sorted(chain(*revoked)) == sorted(ids)
    assert len([event for event in told() if event.topic == "system.token_revoked"]) == 20


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("commits")
def test_reading_outlives_the_connection(ada: Any) -> None:
    """After a restart of PostgreSQL nobody shall be kept out for as long as connections are kept."""
    token = make_token(ada)

    def go_on() -> tuple[UUID, tuple[set[UUID], set[UUID]]]:
        tokens.read(token)
        break_connection()
        close_old_connections()
        return tokens.read(token).user_id, tokens.no_longer([tokens.id_of(token)], [ada.pk])

    with threads() as started:
        assert started.start(go_on).result(30) == (ada.pk, (set(), set()))
