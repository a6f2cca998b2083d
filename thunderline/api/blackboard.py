"""`/blackboard`: knowledge that agents, people and programs share. Versions are ETags here."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field
from rest_framework.response import Response

from domains.thunderflow.blackboard import actions, keys, queries
from domains.thunderflow.blackboard.errors import VersionConflict
from thunderline.api import pages, problems, requests, versions
from thunderline.api.door import Door
from thunderline.api.operations import operation
from thunderline.api.replies import empty, reply

EXAMPLE = {
    "key": "harbour.weather", "value": {"wind": "north", "force": 4}, "version": 12, "author": "user:operator",
    "expires_at": None, "updated_at": "2026-05-31T12:20:00Z",
}  # fmt: skip
KEY_PATTERN = r"^[a-z0-9_-]+(\.[a-z0-9_-]+)*$"
KEY = {
    "key": {
        "schema": {"type": "string", "minLength": 1, "maxLength": keys.MAX_KEY, "pattern": KEY_PATTERN},
        "example": EXAMPLE["key"],
    }
}


class Entry(BaseModel):
    """One entry. `version` is the place of its latest event in its namespace's stream."""

    key: str
    value: Any
    version: int
    author: str
    expires_at: datetime | None
    updated_at: datetime


class EntryPage(pages.Page[Entry]):
    """Entries by key."""


class EntriesQuery(requests.Pages):
    """Which entries. A pattern's `*` is one word of a key, `**` any number."""

    pattern: Annotated[str, Field(min_length=1, max_length=500)] = "**"


class NewValue(requests.Given):
    """What is to be put: any JSON of at most 64 KiB, for `ttl_s` seconds or for good."""

    value: Any
    ttl_s: Annotated[float, Field(gt=0, le=keys.MAX_TTL_S)] | None = None


class Namespace(BaseModel):
    """The first word of keys. `writers`: everybody who is signed in, or its owner and operators."""

    name: str
    owner: str
    writers: Literal["everybody", "owner"]


class Namespaces(BaseModel):
    """All namespaces, by name."""

    results: list[Namespace]


def _shape(entry: queries.Entry) -> Entry:
    return Entry.model_construct(**{name: getattr(entry, name) for name in Entry.model_fields})


def _tag(entry: queries.Entry) -> str:
    return f'"{entry.version}"'


class Entries(Door):
    domain = "thunderflow"

    @operation(
        "blackboard_list", "Entries", tag="blackboard", scope="blackboard:read", permission="thunderflow.view_entry",
        query=EntriesQuery, answer=EntryPage, shows={"results": [EXAMPLE], "next": None}, errors=[422],
        asks={"pattern": "harbour.**", "limit": 20},
    )  # fmt: skip
    def get(self, request: Any, query: EntriesQuery) -> Response:
        """Those that a pattern names, by key."""
        key = pages.key_of(query.cursor, str)
        found = queries.query(query.pattern, limit=query.limit + 1, after=key[0] if key else "")
        return reply(pages.page(request, found, query.limit, key=lambda entry: (entry.key,), shape=_shape))


class OneEntry(Door):
    domain = "thunderflow"

    @operation(
        "blackboard_read", "An entry", tag="blackboard", scope="blackboard:read", permission="thunderflow.view_entry",
        ids=KEY, answer=Entry, shows=EXAMPLE, versioned=True, errors=[422],
    )  # fmt: skip
    def get(self, request: Any, key: str) -> Response:
        """By its key; one whose time is over is not there."""
        found = queries.get(key)
        if found is None:
            raise problems.not_found("entry")
        return reply(_shape(found), headers={"ETag": _tag(found)})

    @operation(
        "blackboard_put", "Put an entry", tag="blackboard", scope="blackboard:write",
        permission="thunderflow.change_entry", ids=KEY, body=NewValue, answer=Entry, versioned=True, optional=True,
        sends={"value": {"wind": "north", "force": 4}, "ttl_s": 3600}, shows=EXAMPLE, errors=[409],
    )  # fmt: skip
    def put(self, request: Any, key: str, body: NewValue) -> Response:
        """New, or in place of what is there. `If-Match`: only over that version; `If-None-Match: *`: only if new."""
        expect = _expected(request, key)
        try:
            put = actions.put(
                key, body.value, by=self.actor, expect=expect, ttl_s=body.ttl_s, operator=request.user.is_superuser
            )
        except VersionConflict as error:
            raise _failed(error) from error
        return reply(_shape(put), headers={"ETag": _tag(put)})

    @operation(
        "blackboard_delete", "Delete an entry", tag="blackboard", scope="blackboard:write",
        permission="thunderflow.delete_entry", ids=KEY, status=204, optional=True, errors=[422],
    )  # fmt: skip
    def delete(self, request: Any, key: str) -> Response:
        """What it was stays in the log."""
        try:
            actions.delete(key, by=self.actor, expect=_expected(request, key), operator=request.user.is_superuser)
        except VersionConflict as error:
            raise _failed(error) from error
        return empty()


def _expected(request: Any, key: str) -> int | None:
    """The version that may be replaced; 0: none may be there; None: whatever it is. Compared by the action.

    Raises: problems.Refused (400, 412).
    """
    if not {"If-Match", "If-None-Match"} & set(request.headers):
        return None
    found = queries.get(key)
    versions.check(request, _tag(found) if found else None)
    return found.version if found else 0


def _failed(error: VersionConflict) -> problems.Refused:
    return problems.Refused(412, "precondition_failed", str(error))


class BlackboardNamespaces(Door):
    domain = "thunderflow"

    @operation(
        "namespaces_list", "Namespaces", tag="blackboard", scope="blackboard:read",
        permission="thunderflow.view_entry", answer=Namespaces,
        shows={"results": [{"name": "harbour", "owner": "user:operator", "writers": "everybody"}]},
    )  # fmt: skip
    def get(self, request: Any) -> Response:
        """Whose they are, and who may write in them."""
        found = queries.namespaces()
        return reply(Namespaces(results=[Namespace(name=n.name, owner=n.owner, writers=n.writers) for n in found]))
