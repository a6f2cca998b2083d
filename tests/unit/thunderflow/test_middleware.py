from types import SimpleNamespace
from uuid import UUID

import pytest
from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory

from domains.thunderflow.context import Context, current
from domains.thunderflow.middleware import HEADER, CorrelationMiddleware

SENT = "01890000-0000-7000-8000-000000000001"


def ask(request: HttpRequest) -> tuple[Context, HttpResponse]:
    """The context in which the view ran, and the answer."""
    seen = []

    def view(_: HttpRequest) -> HttpResponse:
        seen.append(current())
        return HttpResponse()

    response = CorrelationMiddleware(view)(request)
    return seen[0], response


def test_a_request_goes_on_under_the_id_that_its_caller_sent() -> None:
    context, response = ask(RequestFactory().get("/", headers={HEADER: SENT}))
    assert context.correlation_id == UUID(SENT)
    assert response[HEADER] == SENT


@pytest.mark.parametrize("headers", [{}, {HEADER: ""}, {HEADER: "no uuid"}, {HEADER: SENT + "'; DROP"}])
def test_else_it_gets_one_of_its_own(headers: dict[str, str]) -> None:
    context, response = ask(RequestFactory().get("/", headers=headers))
    assert UUID(response[HEADER]) == context.correlation_id != UUID(SENT)


def test_two_requests_are_told_apart() -> None:
    assert ask(RequestFactory().get("/"))[0].correlation_id != ask(RequestFactory().get("/"))[0].correlation_id


def test_nobody_signed_in_is_anonymous() -> None:
    request = RequestFactory().get("/")
    assert ask(request)[0].actor == "anonymous"
    request.user = AnonymousUser()
    assert ask(request)[0].actor == "anonymous"


def test_a_request_acts_as_its_user_and_nobody_does_after_it() -> None:
    request = RequestFactory().get("/")
    request.user = SimpleNamespace(is_authenticated=True, get_username=lambda: "ada")  # type: ignore[assignment]
    assert ask(request)[0].actor == "user:ada"
    assert current().actor == "system"


@pytest.mark.parametrize(
    ("path", "door"),
    [("/admin/x/", "admin"), ("/api/v1/worlds", "rest"), ("/mcp", "mcp"), ("/", "page"), ("*", "page"), ("", "page")],
)
def test_the_path_says_which_door_it_is(path: str, door: str) -> None:
    request = RequestFactory().get("/", REMOTE_ADDR="192.0.2.7")
    request.path_info = path
    origin = ask(request)[0].origin
    assert origin is not None and (origin.door, origin.address, origin.user_id) == (door, "192.0.2.7", None)
