"""Who somebody is and what they may: the one place that every door asks.

To be allowed something takes three yeses: the account is in force, the scopes of what was shown cover it, and the
account's permissions or the object's own rule let it. What nobody allows is denied. Rules about objects are registered
by the apps whose objects they are, as nothing here knows worlds or agents.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from uuid import UUID

from domains import sql
from domains.thundergate import scopes
from domains.thundergate.errors import Forbidden
from domains.thundergate.scopes import SCOPES
from domains.thundergate.tokens import Claims

SEE_EVERY_WORLD = "thundergate.see_every_world"
READ_ALL_MEMORIES = "thundergate.read_all_memories"


class Via(StrEnum):
    """What somebody showed."""

    SESSION = "session"  # a signed-in browser
    KEY = "key"  # an API key
    JWT = "jwt"  # what a key was exchanged for
    TOKEN = "token"  # a signed token  # noqa: S105


@dataclass(frozen=True, slots=True)
class Identity:
    """Somebody at a door. `address` is where they come from; "" when it is not known."""

    user: Any
    via: Via
    claims: Claims | None = None
    address: str = ""

    @property
    def actor(self) -> str:
        """As events and the audit trail name them."""
        return f"user:{self.user.get_username()}"

    @property
    def agent_id(self) -> UUID | None:
        """The agent for which alone they act."""
        return self.claims.agent_id if self.claims else None

    @property
    def key_id(self) -> UUID | None:
        """The key that they showed, or that their token is from."""
        return self.claims.key_id if self.claims else None

    @property
    def credential(self) -> str:
        """The id of the key or token that they showed, for the audit trail; "" of a session."""
        return str(self.claims.key_id or self.claims.id) if self.claims else ""

    @property
    def scopes(self) -> tuple[str, ...] | None:
        """What it may be used for; None: for all that they may."""
        return self.claims.scopes if self.claims else None

    @property
    def roles(self) -> frozenset[str]:
        """The names of their groups. One query."""
        return frozenset(self.user.groups.values_list("name", flat=True))

    def scoped(self, scope: str) -> bool:
        """Whether what they showed may be used for this; says nothing of their permissions."""
        return bool(self.user is not None and self.user.is_active) and scopes.covers(self.scopes, scope)

    def may(self, scope: str, thing: Any = None) -> bool:
        """Whether they may do this, to this thing where it is about one."""
        if not self.scoped(scope) and not (thing is not None and _joins(self, scope, thing)):
            return False
        if thing is not None:
            rule = _rules.get(type(thing))
            return rule is not None and rule(self, scope, thing)
        if scope not in SCOPES or (self.agent_id is not None and scope not in FOR_ONE_AGENT):
            return False
        needed = SCOPES[scope].permission
        return needed is None or bool(self.user.has_perm(needed))

    def check(self, scope: str, thing: Any = None) -> None:
        """Raises: Forbidden, with the scope that is missing if it is that."""
        if self.may(scope, thing):
            return
        if not self.scoped(scope):
            raise Forbidden(f"this needs the scope {scope}, which what you showed does not have", field="scopes")
        what = f" {thing}" if thing is not None else ""
        meaning = SCOPES[scope].meaning if scope in SCOPES else scope
        raise Forbidden(f"you may not {meaning}{':' if what else ''}{what}")


Rule = Callable[[Identity, str, Any], bool]
"""Whether somebody may do what a scope names to an object; the scope itself has been looked at."""
FOR_ONE_AGENT = frozenset({"worlds:read", "zones:read", "agents:read", "events:read", "tools:call"})
"""What a key for one agent may be used for where no object is named."""
ABOUT_ONE_AGENT = FOR_ONE_AGENT | {"agents:act", "memory:read", "memory:write"}
"""And all that it may be used for, if the rule of the agent in question lets it."""
_rules: dict[type, Rule] = {}


def register(kind: type, rule: Rule) -> None:
    """Let an app say who may do what to its objects. What has no rule is nobody's."""
    _rules[kind] = rule


def sees_every_world(user: Any) -> bool:
    """Whether somebody sees private worlds of others, too. Two queries at first, none for operators."""
    return bool(user is not None and user.is_active and user.has_perm(SEE_EVERY_WORLD))


HOLDING = """
SELECT h.user_id FROM (
    SELECT user_id, permission_id FROM users_user_permissions WHERE user_id = ANY(%(users)s)
    UNION
    SELECT g.user_id, p.permission_id FROM users_groups g
    JOIN auth_group_permissions p ON p.group_id = g.group_id WHERE g.user_id = ANY(%(users)s)
) h
JOIN auth_permission p ON p.id = h.permission_id JOIN django_content_type t ON t.id = p.content_type_id
WHERE t.app_label || '.' || p.codename = ANY(%(names)s)
GROUP BY h.user_id HAVING count(*) = %(count)s
"""


def holding(users: Iterable[Any], *permissions: str) -> set[Any]:
    """Keys of those of some users who have all of these permissions. One query; none when all are operators."""
    active = [user for user in users if user is not None and user.is_active]
    found = {user.pk for user in active if user.is_superuser}
    if others := sorted({user.pk for user in active} - found):
        values = {"users": sql.Ids(others), "names": list(permissions), "count": len(permissions)}
        found.update(row[0] for row in sql.fetch_rows(HOLDING, values))
    return found


def _joins(identity: Identity, scope: str, thing: Any) -> bool:
    """`zone:<id>:join` lets one look at and act in that zone."""
    zone_id = getattr(thing, "pk", None) if scope in ("zones:read", "zones:act") else None
    return zone_id is not None and identity.scoped(scopes.zone_join(zone_id))
