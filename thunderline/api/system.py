"""Domains, nodes and health: how the system is, and its operators' switches."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from django.utils import timezone
from pydantic import BaseModel, Field
from rest_framework.response import Response

from domains.thunderblock import actions, queries
from domains.thunderlink import nodes
from thunderline import health
from thunderline.api import problems, requests
from thunderline.api.door import Door
from thunderline.api.operations import operation
from thunderline.api.replies import reply

VIEW, CHANGE = "thunderblock.view_activedomain", "thunderblock.change_activedomain"
EXAMPLE_DOMAIN = {
    "name": "thundervault", "status": "active", "enabled": True, "reason": "", "tick_count": 1200, "last_tick": 1200,
    "activated_at": "2026-05-31T12:00:00Z", "updated_at": "2026-05-31T12:20:00Z", "figures": {}, "fault": None,
}  # fmt: skip
EXAMPLE_NODE = {
    "id": "0197c9a2-7c1e-7d21-9a5e-3f6d5b1c2e81", "name": "harbour-1", "address": "ws://127.0.0.1:8000", "pid": 4711,
    "started_at": "2026-05-31T12:00:00Z", "seen_at": "2026-05-31T12:20:00Z", "cpu": 0.12, "memory_mb": 140.0,
    "sessions": 3,
}  # fmt: skip
NAME = {
    "name": {
        "schema": {"type": "string", "pattern": "^[a-z_]{1,100}$"},
        "example": "thundervault",
    }
}
States = Literal["waiting", "active", "inactive", "crashed", "restarting"]


class Domain(BaseModel):
    """A domain's place in the registry. `fault` says why it needs a person; null: it does not."""

    name: str
    status: States
    enabled: bool
    reason: str
    tick_count: int
    last_tick: int
    activated_at: datetime | None
    updated_at: datetime
    figures: dict[str, Any]
    fault: str | None


class Domains(BaseModel):
    """All domains, by name."""

    results: list[Domain]


class SwitchOff(requests.Given):
    """Why."""

    reason: Annotated[str, Field(min_length=1, max_length=500), requests.Storable]


class Node(BaseModel):
    """A web process that serves sockets, as it said at its last beat. `cpu` is 0–1."""

    id: UUID
    name: str
    address: str
    pid: int
    started_at: datetime
    seen_at: datetime
    cpu: float
    memory_mb: float
    sessions: int


class Nodes(BaseModel):
    """Those that live."""

    results: list[Node]


class Health(BaseModel):
    """`down`: something is down without which nothing works. `parts` for operators."""

    status: Literal["ok", "degraded", "down"]
    parts: dict[str, Any] | None = None


def _shape(status: queries.DomainStatus) -> Domain:
    alike = set(Domain.model_fields) - {"figures"}
    return Domain(**{name: getattr(status, name) for name in alike}, figures=status.metadata)


def _answer(name: str) -> Response:
    """Raises: problems.Refused (404)."""
    found = queries.domain_status(name)
    if found is None:
        raise problems.not_found("domain")
    return reply(_shape(found))


class DomainList(Door):
    @operation(
        "domains_list", "Domains", tag="system", scope="system:read", permission=VIEW, answer=Domains,
        shows={"results": [EXAMPLE_DOMAIN]},
    )  # fmt: skip
    def get(self, request: Any) -> Response:
        """All that are installed, active or not."""
        return reply(Domains(results=[_shape(status) for status in queries.domains()]))


class OneDomain(Door):
    @operation(
        "domains_read", "A domain", tag="system", scope="system:read", permission=VIEW, ids=NAME, answer=Domain,
        shows=EXAMPLE_DOMAIN,
    )  # fmt: skip
    def get(self, request: Any, name: str) -> Response:
        """By its name."""
        return _answer(name)


class SwitchDomainOn(Door):
    @operation(
        "domains_switch_on", "Switch a domain on", tag="system", scope="system:write", permission=CHANGE, ids=NAME,
        answer=Domain, shows={**EXAMPLE_DOMAIN, "status": "waiting"},
    )  # fmt: skip
    def post(self, request: Any, name: str) -> Response:
        """It waits for the next heartbeat."""
        actions.switch_on(name, now=timezone.now())
        return _answer(name)


class SwitchDomainOff(Door):
    @operation(
        "domains_switch_off", "Switch a domain off", tag="system", scope="system:write", permission=CHANGE, ids=NAME,
        body=SwitchOff, answer=Domain, sends={"reason": "the disk is being changed"},
        shows={**EXAMPLE_DOMAIN, "status": "inactive", "enabled": False, "reason": "the disk is being changed"},
    )  # fmt: skip
    def post(self, request: Any, name: str, body: SwitchOff) -> Response:
        """It rests, over restarts too; what it offers answers 503 with the reason."""
        actions.switch_off(name, reason=body.reason, now=timezone.now())
        return _answer(name)


class NodeList(Door):
    domain = "thunderlink"

    @operation(
        "nodes_list", "Nodes that live", tag="system", scope="system:read", permission="thunderlink.view_node",
        answer=Nodes, shows={"results": [EXAMPLE_NODE]},
    )  # fmt: skip
    def get(self, request: Any) -> Response:
        """One that is silent for five seconds is not there."""
        found = [Node(**{name: getattr(node, name) for name in Node.model_fields}) for node in nodes.live()]
        return reply(Nodes(results=found))


class HealthDoor(Door):
    @operation(
        "health_read", "How the system is", tag="system", scope="system:read", answer=Health,
        shows={"status": "ok", "parts": None},
    )  # fmt: skip
    def get(self, request: Any) -> Response:
        """200 as long as it can be asked at all; probes ask `/health`, which needs no one signed in."""
        found = health.check()
        parts = found.full()["parts"] if request.user.has_perm(VIEW) else None
        return reply(Health(status=found.status, parts=parts))
