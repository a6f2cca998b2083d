"""What is sent back: JSON of models, written by pydantic and orjson."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import orjson
from pydantic import BaseModel
from rest_framework.parsers import BaseParser
from rest_framework.renderers import BaseRenderer
from rest_framework.response import Response


class JSONRenderer(BaseRenderer):
    """The only kind of reply that there is."""

    media_type = "application/json"
    format = "json"
    charset = None  # JSON is UTF-8

    def render(self, data: Any, accepted_media_type: str | None = None, renderer_context: Any = None) -> bytes:
        """Bytes are JSON already; None is no body."""
        if data is None:
            return b""
        if isinstance(data, bytes):
            return data
        return written(data)


class NoParser(BaseParser):
    """Bodies are read by `requests`; DRF only needs to know of which kind they are.

    Its check against forgery looks for a form's field and has everything parsed for that: nothing is touched then.
    """

    media_type = "application/json"

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Any = None) -> Any:
        """Nothing, unread."""
        return {}


def written(data: Any) -> bytes:
    """JSON of a model, or of what is made of models and plain values."""
    if isinstance(data, BaseModel):
        return data.__pydantic_serializer__.to_json(data)
    return orjson.dumps(data, default=_plain, option=orjson.OPT_UTC_Z)


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    raise TypeError(f"{type(value).__name__} is no JSON")


def reply(data: Any, *, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """What is live is never kept by anybody in between."""
    return Response(data, status=status, headers={"Cache-Control": "no-store", **(headers or {})})


def created(data: Any, *, at: str, headers: Mapping[str, str] | None = None) -> Response:
    """201, with where it is."""
    return reply(data, status=201, headers={"Location": at, **(headers or {})})


def empty() -> Response:
    """204."""
    return cast(Response, reply(None, status=204))
