"""The admin as a door of domains: what changes something there asks first, and tells what is refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect

from domains.thunderblock import guards


class Refusing:
    """Mix into a ModelAdmin that writes through actions: what they refuse is told as a message.

    It is a door of its domain: while that is not active, nothing is changed here.
    """

    domain: str
    refusals: tuple[type[Exception], ...] = ()
    """Base exceptions of the apps whose actions are called."""

    @property
    def _told(self) -> tuple[type[Exception], ...]:
        return (guards.DomainInactive, *self.refusals)

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Refused: back to the form, as the database has it."""
        try:
            if request.method == "POST":
                guards.require(self.domain)
            return super().changeform_view(request, *args, **kwargs)  # type: ignore[misc]
        except self._told as error:
            messages.error(request, str(error))
            return HttpResponseRedirect(request.get_full_path())

    def tell(self, request: HttpRequest, done: str, act: Callable[[], object]) -> None:
        """Run an action and say `done`, or why it was refused."""
        try:
            guards.require(self.domain)
            act()
        except self._told as error:
            messages.error(request, str(error))
        else:
            messages.success(request, done)
