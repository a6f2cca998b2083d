"""`manage.py token`."""

import io
from typing import Any
from uuid import UUID

import orjson
import pytest
from django.core.management import CommandError, call_command

from domains.thunderflow import queries as log
from domains.thundergate import tokens
from tests.factories import make_user

pytestmark = pytest.mark.django_db
AGENT = "0197a6b2-0000-7000-8000-000000000001"


@pytest.fixture(autouse=True)
def ada() -> Any:
    return make_user("ada")


def run(*words: str) -> str:
    out = io.StringIO()
    call_command("token", *words, stdout=out)
    return out.getvalue()


def run_json(*words: str) -> Any:
    return orjson.loads(run(*words, "--json"))


def test_a_token_alone_is_printed_for_scripts(ada: Any) -> None:
    claims = tokens.read(run("issue", "ada").strip())
    assert claims.user_id == ada.pk
    assert [event.actor for event in log.read_stream("security", after=0)] == ["operator"]


def test_an_issued_token_as_json(ada: Any) -> None:
    found = run_json("issue", "ada", "--agent", AGENT, "--ttl", "60")
    claims = tokens.read(found["token"])
    assert (found["id"], found["agent_id"]) == (str(claims.id), AGENT)
    assert (claims.expires_at - claims.issued_at).total_seconds() == 60


@pytest.mark.parametrize("ttl", ["0", "86401", "soon"])
def test_a_life_that_is_none(ttl: str) -> None:
    with pytest.raises(CommandError, match="is not a number from 1 to 86,400"):
        run("issue", "ada", "--ttl", ttl)


def test_who_is_not_there_or_may_not_sign_in(ada: Any) -> None:
    with pytest.raises(CommandError, match="there is no user called 'eve'"):
        run("issue", "eve")
    ada.is_active = False
    ada.save()
    with pytest.raises(CommandError, match="account_disabled"):
        run("issue", "ada")


def test_a_token_is_shown_by_its_id_by_itself_and_from_a_pipe(monkeypatch: pytest.MonkeyPatch) -> None:
    token = run("issue", "ada").strip()
    token_id = str(tokens.id_of(token))
    found = run_json("show", token_id)
    assert (found["id"], found["user"], found["state"], found["revoked_at"]) == (token_id, "ada", "good", None)
    assert run_json("show", token) == found
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{token}\n"))
    assert run_json("show", "-") == found
    assert token not in run("show", token)
    run("revoke", token_id, "--reason", "lost")
    assert "lost" in run("show", token)
    assert run_json("show", token)["state"] == "revoked"


def test_what_is_no_token_or_not_known() -> None:
    with pytest.raises(CommandError, match="token_invalid"):
        run("show", "nonsense")
    with pytest.raises(CommandError, match="token_not_found"):
        run("show", AGENT)
    with pytest.raises(CommandError, match="token_not_found"):
        run("revoke", AGENT)


def test_tokens_are_revoked_by_id_by_user_and_for_an_agent(ada: Any) -> None:
    make_user("bob")
    one, _, _, other = (
        run_json("issue", *words)["id"]
        for words in (("ada",), ("ada",), ("ada", "--agent", AGENT), ("bob", "--agent", AGENT))
    )
    assert run_json("revoke", one) == {"revoked": [one]}
    assert run("revoke", "--user", "ada", "--agent", AGENT) == "1 revoked.\n"
    assert run_json("revoke", "--agent", AGENT) == {"revoked": [other]}
    assert len(run_json("revoke", "--user", "ada")["revoked"]) == 1
    for words in ((), (one, "--user", "ada")):
        with pytest.raises(CommandError, match="revoke which"):
            run("revoke", *words)


def test_the_list_leaves_out_what_is_over(ada: Any) -> None:
    good, revoked = (run_json("issue", "ada")["id"] for _ in range(2))
    run("revoke", revoked)
    assert [row["id"] for row in run_json("list")] == [good]
    assert [row["id"] for row in run_json("list", "--all")] == [revoked, good]
    assert [row["id"] for row in run_json("list", "--all", "--limit", "1")] == [revoked]
    assert run_json("list", "--agent", AGENT) == []
    assert run_json("list", "--user", "ada", "--all")[0]["state"] == "revoked"
    text = run("list", "--all")
    assert good in text and "revoked" in text
    assert UUID(good)
