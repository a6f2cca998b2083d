"""What a client sent: bodies of JSON and queries, checked against their models before anything is looked up.

Bodies are read strictly, so that what the OpenAPI document says is what is taken: no number in a string, no unknown
field. Queries are text; each word of one is read as its type, and an unknown or repeated one is refused, as it would
otherwise seem to have been heeded.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import Annotated, Any, TypeVar, get_args, get_origin

import orjson
from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest
from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic_core import from_json
from rest_framework.exceptions import UnsupportedMediaType

from thunderline.api import problems

Model = TypeVar("Model", bound=BaseModel)

BIGGEST = 2**63 - 1
_WHOLE = re.compile(r"-?[0-9]{1,19}")
_INSTANT = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?([Zz]|[+-][0-9]{2}:[0-9]{2})"
)
_JSON = re.compile(r"application/json\s*(;\s*charset\s*=\s*\"?utf-?8\"?\s*)?", re.IGNORECASE)


def _storable(text: str) -> str:
    if "\0" in text or text.encode("utf-8", "ignore").decode() != text:
        raise ValueError("it has characters that cannot be stored (NUL or lone surrogates)")
    return text


def _instant(value: object) -> object:
    if isinstance(value, datetime):
        return value
    if not isinstance(value, str) or not _INSTANT.fullmatch(value):
        raise ValueError("it is no instant with its time zone, such as 2026-05-31T12:00:00Z")
    return datetime.fromisoformat(value.upper())


def instant(name: str, at: datetime | None) -> datetime | None:
    """An instant with which one can reckon. Raises: problems.Refused (422)."""
    if at is not None and not 1900 <= at.year <= 9000:
        raise problems.misfit(name, "lies outside of the years 1900 to 9000", status=422)
    return at


Storable = AfterValidator(_storable)
Instant = Annotated[AwareDatetime, BeforeValidator(_instant)]
Name = Annotated[str, Field(min_length=1, max_length=100), Storable]
Text = Annotated[str, Field(max_length=1000), Storable]
Cursor = Annotated[
    str, Field(min_length=1, max_length=500, description="As `next` of the page before has it."), Storable
]


class Given(BaseModel):
    """Base of what clients send: refuses fields that it does not know."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Query(Given):
    """Base of queries."""


class Pages(Query):
    """Base of queries of lists."""

    limit: Annotated[int, Field(ge=1, le=500, description="Results on a page.")] = 100
    cursor: Cursor | None = None


def query(request: Any, model: type[Model] | None) -> Model | None:
    """What stands behind the question mark. Raises: problems.Refused (400)."""
    given = request.query_params
    fields = model.model_fields if model else {}
    if unknown := sorted(set(given) - set(fields)):
        known = f"there are {', '.join(fields)}" if fields else "there are none here"
        raise problems.misfit(unknown[0][:64].replace("\0", ""), f"is no parameter; {known}")
    if model is None:
        return None
    values: dict[str, Any] = {}
    for name, words in given.lists():
        many = _is_list(fields[name].annotation)
        if not many and len(words) > 1:
            raise problems.misfit(name, "is given more than once")
        values[name] = words if many else _word(name, words[0], fields[name].annotation)
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise problems.of_model(error) from error


def _word(name: str, word: str, kind: Any) -> str:
    """The word of a number is digits, and no blank or point more. Raises: problems.Refused (400)."""
    if int in (kind, *get_args(kind)) and not _WHOLE.fullmatch(word):
        raise problems.misfit(name, "is no whole number")
    return word


def _is_list(annotation: Any) -> bool:
    return get_origin(annotation) is list


def raw(request: Any) -> bytes:
    """The body; empty where none was sent. Raises: UnsupportedMediaType, problems.Refused (413)."""
    inner: HttpRequest = request._request
    most = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
    try:
        found = inner.body
    except RequestDataTooBig:
        found = None
    if found is None or len(found) > most:
        raise problems.Refused(413, "too_large", f"a body has at most {most:,} bytes")
    kind = inner.headers.get("Content-Type", "")
    if found and not _JSON.fullmatch(kind):
        raise UnsupportedMediaType(kind[:100], detail="send JSON in UTF-8: Content-Type: application/json")
    return found


def body(request: Any, model: type[Model]) -> Model:
    """What was sent. Raises: UnsupportedMediaType, problems.Refused (400, 413)."""
    content = raw(request) or b"{}"
    try:
        return model.model_validate_json(content, strict=True)
    except ValidationError as error:
        if any(one["type"] == "int_type" for one in error.errors(include_input=False, include_context=False)):
            return _with_whole_numbers(content, model)
        raise problems.of_model(error) from error


def _with_whole_numbers(content: bytes, model: type[Model]) -> Model:
    """To JSON, 2.0 is a whole number."""
    try:
        plain = orjson.dumps(_whole(from_json(content)))
        return model.model_validate_json(plain, strict=True)
    except ValidationError as error:
        raise problems.of_model(error) from error
    except (TypeError, ValueError) as error:
        raise problems.Refused(400, "invalid", "the body has a number that is too large") from error


def _whole(value: Any) -> Any:
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return int(value)
    if isinstance(value, dict):
        return {key: _whole(inner) for key, inner in value.items()}
    return [_whole(inner) for inner in value] if isinstance(value, list) else value
