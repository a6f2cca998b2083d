from __future__ import annotations

import json
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.test import Client

from domains.thundergate import tokens
from tests.factories import make_user, make_world, wake_domains

EVERYTHING = object()


class Api:
    """A client of `/api/v1` that shows the token of a user, or none."""

    def __init__(self, user: Any = None, token: str | None = None) -> None:
        self.client = Client()
        self.user = user
        self.token = token or (tokens.issue(user, by="tests") if user else None)

    def __call__(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        """`headers` are named as in Python: `If_Match`. A body of bytes is sent as it is."""
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        kind = given.pop("Content-Type", "application/json")
        if self.token:
            given = {"Authorization": f"Bearer {self.token}", **given}
        content = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        where = path if path.startswith(("/", "http")) else f"/api/v1/{path}"
        return self.client.generic(method, where, content, content_type=kind, headers=given)

    def get(self, path: str, **headers: str) -> Any:
        return self("GET", path, **headers)

    def post(self, path: str, body: Any = None, **headers: str) -> Any:
        return self("POST", path, body, **headers)

    def patch(self, path: str, body: Any = None, **headers: str) -> Any:
        return self("PATCH", path, body, **headers)

    def put(self, path: str, body: Any = None, **headers: str) -> Any:
        return self("PUT", path, body, **headers)

    def delete(self, path: str, **headers: str) -> Any:
        return self("DELETE", path, **headers)


def grant(user: Any, *names: str) -> Any:
    """Give a user permissions by name; the user as the next request will find it."""
    for name in names:
        app, _, codename = name.partition(".")
        user.user_permissions.add(Permission.objects.get(content_type__app_label=app, codename=codename))
    return type(user).objects.get(pk=user.pk)


def problem(response: Any, status: int, code: str | None = None) -> dict[str, Any]:
    """What a refusal says, which has one shape whatever refused."""
    assert response.status_code == status, response.content
    assert response["Content-Type"] == "application/problem+json"
    said = response.json()
    assert set(said) == {"type", "title", "status", "detail", "code", "instance", "errors"}
    assert said["status"] == status and said["detail"] and said["type"] == f"urn:thunderline:problem:{said['code']}"
    if code is not None:
        assert said["code"] == code, said
    return said


@pytest.fixture(autouse=True)
def _awake(db: None) -> None:
    wake_domains()


@pytest.fixture(autouse=True)
def _unlimited(settings: Any) -> None:
    """How often one may ask is for `test_limits.py`."""
    settings.LIMITS = {**settings.LIMITS, "on": False}


@pytest.fixture
def api(operator: Any) -> Api:
    """As somebody who may do everything."""
    return Api(operator)


@pytest.fixture
def world() -> Any:
    return make_world(agents=4)


@pytest.fixture
def stranger() -> Api:
    """Somebody with a token and nothing else."""
    return Api(make_user("stranger"))
