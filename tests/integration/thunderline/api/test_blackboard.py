from __future__ import annotations

from typing import Any

import pytest

from domains.thunderflow.blackboard import actions, queries
from tests.factories import make_user
from tests.integration.thunderline.api.conftest import Api, grant, problem


def test_entries_are_put_read_and_deleted(api: Api) -> None:
    put = api.put("blackboard/harbour.weather", {"value": {"wind": "north"}})
    assert put.status_code == 200 and put.json()["author"] == "user:operator"
    read = api.get("blackboard/harbour.weather")
    assert read.json() == put.json() and read["ETag"] == put["ETag"] == f'"{put.json()["version"]}"'
    assert api.put("blackboard/harbour.weather", {"value": None, "ttl_s": 60}).json()["expires_at"] is not None
    assert api.delete("blackboard/harbour.weather").status_code == 204
    problem(api.get("blackboard/harbour.weather"), 404, "not_found")
    problem(api.delete("blackboard/harbour.weather"), 404, "entry_not_found")


def test_versions_guard_what_others_wrote(api: Api) -> None:
    first = api.put("blackboard/a.b", {"value": 1}, If_None_Match="*")
    problem(api.put("blackboard/a.b", {"value": 2}, If_None_Match="*"), 412, "precondition_failed")
    assert api.put("blackboard/a.b", {"value": 2}, If_Match=first["ETag"]).status_code == 200
    problem(api.put("blackboard/a.b", {"value": 3}, If_Match=first["ETag"]), 412, "precondition_failed")
    problem(api.delete("blackboard/a.b", If_Match=first["ETag"]), 412, "precondition_failed")
    problem(api.put("blackboard/a.c", {"value": 3}, If_Match="*"), 412, "precondition_failed")
    entry = queries.get("a.b")
    assert entry is not None and entry.value == 2 and queries.get("a.c") is None


def test_patterns_and_pages(api: Api) -> None:
    for key in ("a.x", "a.y", "a.z", "b.x"):
        api.put(f"blackboard/{key}", {"value": key})
    page, seen = "blackboard?pattern=a.*&limit=2", []
    while page:
        answer = api.get(page).json()
        seen += [entry["key"] for entry in answer["results"]]
        page = answer["next"]
    assert seen == ["a.x", "a.y", "a.z"]
    assert [one["name"] for one in api.get("namespaces").json()["results"]] == ["a", "b"]


def test_namespaces_of_others_are_theirs(api: Api) -> None:
    actions.set_namespace("mine", by="user:owner", writers="owner")
    permitted = Api(grant(make_user("other"), "thunderflow.change_entry", "thunderflow.view_entry"))
    problem(permitted.put("blackboard/mine.x", {"value": 1}), 403, "access_denied")
    assert api.put("blackboard/mine.x", {"value": 1}).status_code == 200  # an operator may everywhere


@pytest.mark.parametrize(
    ("key", "body", "status"),
    [
        ("A.B", {"value": 1}, 422),
        ("a..b", {"value": 1}, 422),
        ("a%00b", {"value": 1}, 422),
        ("x" * 501, {"value": 1}, 422),
        ("a.b", {}, 400),
        ("a.b", {"value": 1, "ttl_s": 0}, 400),
        ("a.b", {"value": "a\0b"}, 422),
        ("a.b", {"value": "x" * 70_000}, 422),
        ("a.b", b'{"value": NaN}', 422),
        ("a.b", b'{"value": ' + b"[" * 300 + b"]" * 300 + b"}", 400),
        ("a.b", b'{"value": 1e999}', 422),
    ],
)
def test_entries_that_are_none(api: Api, key: str, body: Any, status: int) -> None:
    refused = api.put(f"blackboard/{key}", body)
    assert refused.status_code in (400, 422)
    problem(refused, status if refused.status_code == status else refused.status_code)
    assert queries.query("**") == []
