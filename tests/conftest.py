"""Fixtures that every folder of tests may use."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Protocol

import psycopg
import pytest
from django.test import Client
from hypothesis import settings as hypothesis_settings

from domains.thunderblock import guards
from tests.factories import make_user
from tests.tables import commits

__all__ = ["commits"]

# How long an example takes says nothing about whether it is right.
hypothesis_settings.register_profile("tests", deadline=None)
hypothesis_settings.load_profile("tests")


class CountQueries(Protocol):
    """`with count_queries() as statements:` — what was sent to PostgreSQL, raw statements too."""

    def __call__(self) -> AbstractContextManager[list[str]]: ...


@pytest.fixture(autouse=True)
def _quick_passwords(settings: Any) -> None:
    """A good hash takes a quarter of a second, on purpose."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture(autouse=True)
def _many_refusals(settings: Any) -> None:
    """All tests come from one address, and many show what is not good; who guesses is for those of the limit."""
    settings.LIMITS = {**settings.LIMITS, "refused": 1_000_000}


@pytest.fixture(autouse=True)
def _fresh_guards() -> None:
    guards.forget()


@pytest.fixture
def operator(db: None) -> Any:
    """Somebody who may do everything."""
    return make_user("operator", operator=True)


@pytest.fixture
def member(db: None) -> Any:
    """Somebody who is signed in, and no more."""
    return make_user("member")


@pytest.fixture
def as_operator(client: Client, operator: Any) -> Client:
    """A browser in which the operator is signed in."""
    client.force_login(operator)
    return client


@pytest.fixture
def count_queries(monkeypatch: pytest.MonkeyPatch) -> CountQueries:
    """Counts below Django, where raw SQL passes too. Savepoints and session settings are not counted."""
    send = psycopg.Cursor.execute
    seen: list[list[str]] = []

    def execute(self: Any, query: Any, *args: Any, **kwargs: Any) -> Any:
        text = query.decode() if isinstance(query, bytes) else str(query)
        if seen and not text.startswith(("SAVEPOINT", "RELEASE", "SET ")):
            seen[-1].append(text)
        return send(self, query, *args, **kwargs)

    monkeypatch.setattr(psycopg.Cursor, "execute", execute)
    monkeypatch.setattr(guards, "_FRESH_S", 60.0)  # or a slow machine would ask for a domain's state once more

    @contextmanager
    def counting() -> Iterator[list[str]]:
        statements: list[str] = []
        seen.append(statements)
        try:
            yield statements
        finally:
            seen.remove(statements)

    return counting
