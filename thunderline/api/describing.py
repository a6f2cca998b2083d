"""The OpenAPI document, and the page on which it can be read and tried: Swagger UI, from this server alone."""

from __future__ import annotations

from functools import cache
from typing import Any

import orjson
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views import defaults
from rest_framework.response import Response

from thunderline.api import openapi, problems
from thunderline.api.door import Door
from thunderline.api.operations import Operation
from thunderline.api.replies import reply

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""Swagger UI writes styles into the page; scripts are files of this server, and nothing comes from elsewhere."""


class Schema(Door):
    """`GET /api/schema`."""

    def get(self, request: Any) -> Response:
        """The same for all who are signed in."""
        return reply(_document())

    get.operation = Operation("schema", "system:read", None, False)  # type: ignore[attr-defined]


@cache
def _document() -> bytes:
    return orjson.dumps(openapi.document(), default=str)


def docs(request: HttpRequest) -> HttpResponse:
    """Requests that are tried out there are sent in the name of who is signed in."""
    response = render(request, "api_docs.html")
    response["Content-Security-Policy"] = POLICY
    return response


def fault(request: HttpRequest) -> HttpResponse:
    """What nobody foresaw (500), told below /api/ as every refusal is; it is in the log, with its traceback."""
    if not request.path.startswith("/api/"):
        return defaults.server_error(request)
    told = "something went wrong here that is not of your making; it is logged"
    return problems.plain(request, 500, "fault", told)


def misfit(request: HttpRequest, exception: Exception) -> HttpResponse:
    """What Django refuses before any view is asked (400), such as a host that this is none of."""
    if not request.path.startswith("/api/"):
        return defaults.bad_request(request, exception)
    return problems.plain(request, 400, "invalid", "this is no request that can be answered here")
