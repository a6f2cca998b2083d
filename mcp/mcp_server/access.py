"""Who calls, and what their key may be used for: the one place where this app asks about credentials.

A credential is shown as `Authorization: Bearer …`. What it may be used for are scopes; what its owner may do to an
object, the object's own app decides. What nobody allows is denied.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from uuid import UUID

from django.contrib.auth import get_user_model

from domains.origin import Origin
from domains.thundergate import authentication, standing, tokens
from domains.thundergate.access import ABOUT_ONE_AGENT, Identity, Via
from domains.thundergate.errors import GateError

SCOPES = {
    "tools:call": "call tools",
    "worlds:read": "look at worlds that one may see",
    "worlds:write": "pause, resume and step worlds",
    "zones:read": "look at zones",
    "zones:write": "make zones",
    "zones:act": "make things happen in zones",
    "agents:read": "look at agents and their ticks",
    "agents:write": "make and change agents",
    "agents:act": "live as agents, and talk to them",
    "memory:read": "search what agents remember",
    "memory:write": "store memories",
}
DOOR = "tools:call"
"""Without it nobody comes in."""


@dataclass(frozen=True, slots=True)
class Who:
    """Somebody's program at the door."""

    user: object
    actor: str
    """As events name them."""
    scopes: frozenset[str]
    identity: str
    """What sessions belong to."""
    known: Identity
    """As every door's rules and limits know them."""
    agent_id: UUID | None = None
    """The one agent that the credential speaks for, if it speaks for one."""
    token_id: UUID | None = None
    door: str = "http"
    address: str = ""

    def origin(self, request: str) -> Origin:
        """Where what is asked for comes from, for the audit trail."""
        return Origin("mcp", self.address, self.known.user.pk, self.known.credential, f"{request} by {self.door}")


class Refused(Exception):
    """Nobody is let in by this. `status` is HTTP's; `scope`: what is missing, if it is that."""

    def __init__(self, message: str, *, status: int = 401, scope: str = "", retry_after_s: int = 0) -> None:
        super().__init__(message)
        self.status, self.scope, self.retry_after_s = status, scope, retry_after_s


def identify(credential: str, *, door: str, address: str = "") -> Who:
    """Who shows a key, a JWT or a signed token. Three queries at most. Raises: Refused."""
    try:
        known = authentication.identify(credential, address=address)
    except authentication.TooManyRefused as error:
        raise Refused(str(error), status=error.status, retry_after_s=error.retry_after_s) from error
    except GateError as error:
        raise Refused(f"{error}; ask for a new one") from error
    token_id = known.claims.id if known.claims else None
    usable = ABOUT_ONE_AGENT.intersection(SCOPES) if known.agent_id else SCOPES
    return Who(
        user=known.user, actor=known.actor, scopes=frozenset(filter(known.scoped, usable)), identity=str(token_id),
        agent_id=known.agent_id, token_id=token_id, door=door, address=address, known=known,
    )  # fmt: skip


def of_user(username: str, *, door: str) -> Who:
    """An account as which somebody runs a command here, where they could do everything anyway. Raises: Refused."""
    user = get_user_model().objects.filter(username=username, is_active=True).first()
    if user is None:
        raise Refused(f"there is no account {username!r} in force")
    known = Identity(user, Via.SESSION)
    return Who(user, known.actor, frozenset(SCOPES), str(user.pk), known, door=door)


def over(some: Collection[Who]) -> set[str]:
    """Identities of those who would not be let in any more: revoked, expired, disabled, or their agent suspended.

    Three queries at most.
    """
    by_token = {who.token_id for who in some if who.token_id}
    by_user = {who.user.pk for who in some}  # type: ignore[attr-defined]
    gone, disabled = tokens.no_longer(by_token, by_user)
    resting = standing.resting({who.agent_id for who in some if who.agent_id})
    return {
        who.identity
        for who in some
        if who.token_id in gone or who.user.pk in disabled or who.agent_id in resting  # type: ignore[attr-defined]
    }
