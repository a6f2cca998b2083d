"""What admins, developers and viewers may: one table, kept as groups with permissions of Django's.

Groups of these names are made and kept as the table says whenever migrations have run; whoever wants others makes a
group of another name. Roles add to what everybody may who is signed in: see open and shared worlds, and do in a zone
what the zone lets its members do.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from django.apps import apps


@dataclass(frozen=True, slots=True)
class Role:
    """`permissions` are patterns of `<app>.<codename>`."""

    meaning: str
    permissions: tuple[str, ...]


_VIEWS = (
    *("zones.view_world", "zones.view_zone", "zones.view_neighbour", "zones.view_notice"),
    *("agents.view_agent", "agents.view_mod", "agents.view_ticklog"),
    *("thunderblock.view_activedomain", "thunderlink.view_heart", "thunderlink.view_heartbeattick"),
    "thunderlink.view_node",
)
ROLES = {
    "admin": Role("does everything, in every world; what needs the machine itself aside", ("*",)),
    "developer": Role(
        "makes and changes worlds, zones, agents and what they think with; no people, no tokens of others",
        (
            *_VIEWS,
            *("zones.add_world", "zones.change_world", "zones.add_zone", "zones.change_zone"),
            *("zones.add_neighbour", "zones.change_neighbour", "zones.delete_neighbour"),
            *("agents.add_agent", "agents.change_agent", "agents.add_mod", "agents.change_mod"),
            *("agents.view_prompttemplate", "agents.add_prompttemplate", "agents.change_prompttemplate"),
            *("agents.view_endpoint", "agents.view_price", "agents.view_spending", "agents.view_spendingcap"),
            *("agents.view_reasonerprocess", "memory.add_memorynode", "memory.change_memorynode"),
            *("thunderflow.view_breaker", "thunderflow.view_subscription", "thunderflow.view_follower"),
            *("thunderflow.view_namespace", "thunderflow.view_entry", "thunderflow.change_entry"),
        ),
    ),
    "viewer": Role("looks at worlds that are open or shared with them, in the admin too; changes nothing", _VIEWS),
}  # fmt: skip


def allowed(role: str, permissions: Iterable[str]) -> set[str]:
    """Which of these permissions (`<app>.<codename>`) a role has."""
    patterns = ROLES[role].permissions
    return {name for name in permissions if any(fnmatchcase(name, pattern) for pattern in patterns)}


def establish(sender: Any = None, using: str = "default", **_: Any) -> None:
    """Make the groups as the table says. Changes nothing where they are so; after the last app's migrations only.

    Four queries.
    """
    if sender is not None and sender is not _last():
        return
    from django.contrib.auth.models import Group, Permission

    for name in ROLES:
        Group.objects.using(using).get_or_create(name=name)
    groups = {group.name: group for group in Group.objects.using(using).filter(name__in=ROLES)}
    rows = Permission.objects.using(using).values_list("pk", "content_type__app_label", "codename")
    known = {f"{app}.{codename}": pk for pk, app, codename in rows}
    link = Group.permissions.through
    there = set(link.objects.using(using).filter(group__name__in=ROLES).values_list("group_id", "permission_id"))
    wanted = {(groups[role].pk, known[name]) for role in ROLES for name in allowed(role, known)}
    new = [link(group_id=group, permission_id=permission) for group, permission in sorted(wanted - there)]
    link.objects.using(using).bulk_create(new, ignore_conflicts=True)
    for group in groups.values():
        if old := [permission for group_id, permission in there - wanted if group_id == group.pk]:
            link.objects.using(using).filter(group=group, permission_id__in=old).delete()


def _last() -> Any:
    """The app for which Django says last that migrations have run: all permissions are there by then."""
    return [config for config in apps.get_app_configs() if config.models_module is not None][-1]
