"""`manage.py blackboard`."""

import io
from typing import Any

import orjson
import pytest
from django.core.management import CommandError, call_command

from domains.thunderflow.blackboard import actions, queries

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("commits")]


def run(*words: str) -> str:
    out = io.StringIO()
    call_command("blackboard", *words, stdout=out)
    return out.getvalue()


def run_json(*words: str) -> Any:
    return orjson.loads(run(*words, "--json"))


@pytest.mark.parametrize(
    ("given", "value"),
    [
        ("noon", "noon"),
        ('{"at": 12}', {"at": 12}),
        ("12", 12),
        ('"12"', "12"),
        ("null", None),
        ("NaN", "NaN"),
        ("[" * 5000, "[" * 5000),
        ("18446744073709551615", 2**64 - 1),
        ("[1e3, -0.5]", [1000.0, -0.5]),
    ],
)
def test_a_value_is_json_or_else_text(given: str, value: Any) -> None:
    assert run("put", "town.clock", given) == "town.clock is at version 1.\n"
    entry = queries.get("town.clock")
    assert entry
    assert (entry.value, entry.author) == (value, "operator")
    assert run_json("get", "town.clock")["value"] == value


def test_text_is_printed_as_it_is_and_the_rest_as_json() -> None:
    run("put", "town.clock", "noon")
    run("put", "town.hours", "[1, 2]")
    assert run("get", "town.clock") == "noon\n"
    assert orjson.loads(run("get", "town.hours")) == [1, 2]


def test_a_value_can_come_through_a_pipe(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO('{"at": 12}'))
    assert run_json("put", "town.clock", "-")["value"] == {"at": 12}


def test_a_version_can_be_expected() -> None:
    run("put", "town.clock", "noon", "--expect", "0")
    with pytest.raises(CommandError, match=r"town\.clock: it must not exist, and it is at version 1; read it again"):
        run("put", "town.clock", "one", "--expect", "0")
    assert run_json("put", "town.clock", "one", "--expect", "1")["version"] == 2
    with pytest.raises(CommandError, match="version 1 was expected"):
        run("delete", "town.clock", "--expect", "1")
    assert run("delete", "town.clock", "--expect", "2") == "town.clock is deleted (version 3).\n"


def test_it_can_last_for_a_while() -> None:
    assert ", until 20" in run("put", "town.clock", "noon", "--ttl", "60")
    entry = queries.get("town.clock")
    assert entry
    assert entry.expires_at
    assert 55 < (entry.expires_at - entry.updated_at).total_seconds() <= 60


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("get", "town.clock"), "there is no entry town.clock; `blackboard query` lists what there is"),
        (("get", "Town"), "a key is lower-case words"),
        (("delete", "town.clock"), "there is no entry town.clock"),
        (("query", "town.a*"), "tokens are words"),
        (("watch", "a..b"), "tokens are words"),
        (("put", "town.clock", "x", "--ttl", "0"), "is not a number from"),
        (("put", "town.clock", "x", "--expect", "-1"), "is not a number from"),
        (("put", "town.clock", "12345678901234567890123"), "Integer exceeds 64-bit range"),
        (("put", "town.clock", "9" * 5000), "digits"),
        (("watch", "--count", "0"), "is not a number from"),
        (("watch", "--since", "-1"), "is not a number from"),
    ],
)
def test_a_mistake_is_explained(words: tuple[str, ...], says: str) -> None:
    with pytest.raises(CommandError, match=says):
        run(*words)


def test_a_query_lists_what_fits() -> None:
    actions.put_many([actions.Put(f"town.{n}.bell", "x" * 300) for n in range(3)], by="user:ada")
    assert [e["key"] for e in run_json("query", "**.bell")] == ["town.0.bell", "town.1.bell", "town.2.bell"]
    text = run("query", "town.*.bell", "--limit", "2")
    assert text.splitlines()[-1] == "There may be more: --after town.1.bell"
    assert "…" in text
    assert [e["key"] for e in run_json("query", "**.bell", "--after", "town.1.bell")] == ["town.2.bell"]


@pytest.mark.parametrize("value", [[True], "[red]x[/red]", "see [/x]", ":smile:", {"[bold]": "[link=http://x]y"}])
def test_values_are_shown_as_they_are(value: Any) -> None:
    actions.put("town.clock", value, by="user:[b]")
    line = run("query").splitlines()[1]
    shown = value if isinstance(value, str) else orjson.dumps(value).decode()
    assert line.split(maxsplit=3)[2:] == ["user:[b]", shown]


def test_an_operator_writes_everywhere() -> None:
    actions.set_namespace("town", by="user:ada", writers="owner")
    run("put", "town.clock", "noon")


def test_changes_are_watched(capsys: pytest.CaptureFixture[str]) -> None:
    actions.put("town.clock", "noon", by="user:ada")
    actions.put("mill.clock", "one", by="user:ada")
    actions.delete("town.clock", by="user:ben")
    run("watch", "town.*", "--since", "0", "--count", "2")
    lines = [line.split(maxsplit=1)[1] for line in capsys.readouterr().out.splitlines()]
    assert lines == ["town.clock put v1 by user:ada  noon", "town.clock deleted v2 by user:ben"]
    run("watch", "*", "--since", "0", "--count", "3", "--json")
    told = [orjson.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(e["key"], e["change"], e["entry_version"]) for e in told] == [
        ("town.clock", "put", 1), ("mill.clock", "put", 1), ("town.clock", "deleted", 2),
    ]  # fmt: skip
