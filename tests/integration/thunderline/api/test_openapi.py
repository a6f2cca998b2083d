"""The document is what was agreed on, says what is needed of each operation, and its examples are examples."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from django.contrib.staticfiles import finders
from django.test import Client
from jsonschema import Draft202012Validator

from tests.integration.thunderline.api.conftest import Api, problem
from thunderline.api import openapi
from thunderline.api.urls import operations as addresses

KEPT = Path(__file__).parents[3] / "contracts" / "openapi.json"
METHODS = ("get", "post", "put", "patch", "delete")


def _document() -> dict[str, Any]:
    return dict(json.loads(json.dumps(openapi.document(), default=str)))


def _operations() -> list[Any]:
    return [
        pytest.param(path, method, of, id=of["operationId"])
        for path, methods in _document()["paths"].items()
        for method, of in methods.items()
        if method in METHODS
    ]


def _check(value: Any, schema: dict[str, Any]) -> None:
    whole = {**schema, "components": _document()["components"]}
    Draft202012Validator(whole, format_checker=Draft202012Validator.FORMAT_CHECKER).validate(value)


def test_the_document_is_the_one_that_was_agreed_on() -> None:
    """After a change that is meant: THUNDERLINE_WRITE_CONTRACTS=1 and run it once more, then look at the difference."""
    written = json.dumps(_document(), indent=1, sort_keys=True) + "\n"
    if os.environ.get("THUNDERLINE_WRITE_CONTRACTS"):
        KEPT.write_text(written)
    assert KEPT.read_text() == written


def test_it_can_be_had_by_who_is_signed_in(api: Api) -> None:
    served = api.get("/api/schema")
    assert served["Content-Type"] == "application/json" and served.json() == _document()
    problem(Api().get("/api/schema"), 401)


def test_every_method_of_every_address_is_in_it() -> None:
    ids = [of["operationId"] for methods in _document()["paths"].values() for of in methods.values()]
    assert len(ids) == len(set(ids))
    there = {
        view.cls().operation_of(method).id
        for view in (address.callback for address in addresses)
        for method in METHODS
        if view.cls().operation_of(method)
    }
    assert set(ids) == there


@pytest.mark.parametrize(("path", "method", "of"), _operations())
def test_each_operation_is_told_whole(path: str, method: str, of: dict[str, Any]) -> None:
    needs = "Needs no scope." if of["tags"] == ["tokens"] else "Needs the scope `"
    assert of["summary"] and of["tags"] and needs in of["description"]
    assert {"400", "401", "403"} <= set(of["responses"])
    for status, answer in of["responses"].items():
        for media_type, content in answer.get("content", {}).items():
            assert media_type == ("application/json" if status < "300" else "application/problem+json")
            if status < "300":
                (example,) = content["examples"].values()
                _check(example["value"], content["schema"])
    for content in of.get("requestBody", {}).get("content", {}).values():
        (example,) = content["examples"].values()
        _check(example["value"], content["schema"])
    for parameter in of.get("parameters", []):
        for example in parameter.get("examples", {}).values():
            _check(example["value"], parameter["schema"])
    if method == "patch":
        assert {"412", "428"} <= set(of["responses"])


def test_the_page_that_shows_it_needs_nobody_else(as_operator: Client) -> None:
    page = as_operator.get("/api/docs")
    text = page.content.decode()
    assert "https://" not in text and "http://" not in text and "<script>" not in text
    policy = page["Content-Security-Policy"]
    assert "script-src 'self';" in policy and "default-src 'none'" in policy
    for name in ("swagger-ui.css", "swagger-ui-bundle.js"):
        assert finders.find(f"drf_spectacular_sidecar/swagger-ui-dist/{name}")
        served = as_operator.get(f"/static/drf_spectacular_sidecar/swagger-ui-dist/{name}")
        assert served.status_code == 200
        served.close()
    assert finders.find("thunderline/api_docs.js")


def test_the_page_is_for_who_is_signed_in() -> None:
    assert Client().get("/api/docs")["Location"].startswith("/login/")
