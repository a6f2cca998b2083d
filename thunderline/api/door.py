"""The base of all views: who may come in, in whose name things are done, and that a shut domain says so."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from typing import Any, ClassVar

from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from domains.thunderblock import guards
from domains.thunderflow.context import acting
from domains.thunderflow.middleware import origin
from domains.thundergate.access import ABOUT_ONE_AGENT, Identity
from domains.thundergate.authentication import challenge
from domains.thundergate.errors import Forbidden
from thunderline.api import problems
from thunderline.api.operations import Operation


class Permitted(BasePermission):
    """Who is known, by something that is for this, and has the permission that the operation names.

    What is not granted is denied.
    """

    def has_permission(self, request: Any, view: Any) -> bool:
        """Raises: problems.Refused (403), which names what is missing."""
        if not request.user or not request.user.is_authenticated:
            return False
        if operation := view.operation_of(request.method):
            _check_scope(request.auth, operation.scope)
            # What speaks for one agent acts for that alone, by the rule of the agent and not by what its owner may.
            needed = operation.permission if request.auth.agent_id is None else None
            if needed and not request.user.has_perm(needed):
                raise problems.Refused(403, "access_denied", f"you may not do this: {needed} is not granted")
        return True


def _check_scope(identity: Identity, scope: str | None) -> None:
    if scope is None:
        return
    if not identity.scoped(scope):
        said = Forbidden(f"this needs the scope {scope}, which what you showed does not have")
        headers = {"WWW-Authenticate": f'{challenge(said)}, scope="{scope}"'}
        raise problems.Refused(403, "access_denied", str(said), headers=headers)
    if identity.agent_id is not None and scope not in ABOUT_ONE_AGENT:
        told = f"what you showed speaks for one agent, and is not for {scope}; show a user's key or token here"
        raise problems.Refused(403, "access_denied", told)


class Door(APIView):
    """A view of one address. Its methods are operations (`thunderline.api.operations`)."""

    permission_classes: ClassVar[list[type[BasePermission]]] = [Permitted]
    domain: ClassVar[str | None] = None
    """While it is not active, every answer is 503."""
    _during: ExitStack

    def dispatch(self, request: Any, *args: Any, **kwargs: Any) -> Any:
        """What is done meanwhile is done in the name of who asks."""
        with ExitStack() as self._during:
            return super().dispatch(request, *args, **kwargs)

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        if request.auth is not None:
            came = replace(origin(request._request), user_id=request.user.pk, key_id=request.auth.credential)
            self._during.enter_context(acting(actor=self.actor, origin=came))
        if self.domain is not None:
            guards.require(self.domain)

    def operation_of(self, method: str) -> Operation | None:
        """What is done by a method here; None: nothing."""
        return getattr(getattr(self, method.lower(), None), "operation", None)

    def limit_kind_of(self, request: Request) -> str:
        """By which rate requests are limited (`domains.thundergate.limits`)."""
        operation = self.operation_of(str(request.method))
        return "heavy" if operation and operation.heavy else "default"

    @property
    def actor(self) -> str:
        """As events name who it was."""
        return f"user:{self.request.user.get_username()}"

    def options(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """What there is says the OpenAPI document."""
        return self.http_method_not_allowed(request)

    def http_method_not_allowed(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """405; what is allowed is in the header `Allow`."""
        detail = f"there is no {str(request.method)[:20]} here; there is {', '.join(self.allowed_methods)}"
        raise problems.Refused(405, "method_not_allowed", detail)

    @property
    def allowed_methods(self) -> list[str]:
        """Those of which the document tells, and HEAD where there is GET."""
        return [name.upper() for name in self.http_method_names if self.operation_of(name)]


class Nothing(Door):
    """Every address below /api/ that there is not."""

    permission_classes: ClassVar[list[type[BasePermission]]] = []

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        raise problems.Refused(404, "not_found", "there is nothing at this address; /api/schema says what there is")
