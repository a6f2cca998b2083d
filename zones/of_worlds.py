"""What the admins of worlds, zones and agents share: they show and change what the one rule of worlds lets one."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest

from zones import visibility


class OfWorlds:
    """Mix into a ModelAdmin, first, whose rows belong to worlds: `world_path` leads to the world's id."""

    world_path = "world"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Of worlds that one may see. Operators' lists are not filtered at all."""
        rows: QuerySet[Any] = super().get_queryset(request)  # type: ignore[misc]
        if request.user.is_superuser:
            return rows
        return rows.filter(**{f"{self.world_path}__in": visibility.worlds(request.user)})

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Django's, and of one row: to govern its world."""
        may: bool = super().has_change_permission(request, obj)  # type: ignore[misc]
        return may and (obj is None or self._governs(request, obj))

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """The same."""
        may: bool = super().has_delete_permission(request, obj)  # type: ignore[misc]
        return may and (obj is None or self._governs(request, obj))

    def governed(self, request: HttpRequest, rows: QuerySet[Any]) -> QuerySet[Any]:
        """Of chosen rows those of worlds that one governs; that there were others is said."""
        if request.user.is_superuser:
            return rows
        found = rows.filter(**{f"{self.world_path}__in": visibility.governed(request.user)})
        if refused := rows.count() - found.count():
            messages.error(request, f"{refused} left as they are: their worlds are not yours to change.")
        return found

    def require_governed(self, request: HttpRequest, *world_ids: UUID) -> None:
        """Raises: PermissionDenied, when something is to be made in a world that one does not govern."""
        wanted = set(world_ids)
        if request.user.is_superuser:
            return
        if visibility.governed(request.user).filter(pk__in=wanted).count() < len(wanted):
            raise PermissionDenied

    def _governs(self, request: HttpRequest, obj: Any) -> bool:
        if request.user.is_superuser:
            return True
        world: Any = obj
        for name in self.world_path.split("__"):
            world = getattr(world, "pk" if name == "pk" else name)
        return visibility.governed(request.user).filter(pk=getattr(world, "pk", world)).exists()
