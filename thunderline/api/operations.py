"""An operation: a method of a view with what it needs, takes and answers, said once for the code and the document.

The function gets what was sent, read and checked: `query` and `body` when it has models of these, and the ids of its
address by name.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse, extend_schema
from pydantic import BaseModel
from rest_framework.response import Response

from thunderline.api import problems, repeats, requests, versions

Handler = Callable[..., Response]

WHY = {
    400: "It does not fit this description.",
    401: "Nobody is known by what was shown.",
    403: "One may not do this.",
    404: "There is none, or none that one may see.",
    406: "Only JSON can be had.",
    409: "It cannot be done as things are.",
    412: "It is not as the precondition says.",
    413: "The body is too large.",
    415: "It is no JSON in UTF-8.",
    422: "It fits, and means something that cannot be.",
    428: "It needs `If-Match`.",
    429: "Too many requests; try again after `Retry-After` seconds.",
    503: "The domain is not active, or what it needs is away; try again after `Retry-After` seconds.",
}


@dataclass(frozen=True, slots=True)
class Operation:
    """What is known of an operation while it is asked for.

    `scope` is what a key must have been given for it (`domains.thundergate.scopes`), `permission` what its owner must
    have where no object decides; `heavy` ones are limited more. Without a scope, the handler looks at what is shown.
    """

    id: str
    scope: str | None
    permission: str | None
    heavy: bool


def operation(
    id: str,
    summary: str,
    *,
    tag: str,
    scope: str | None = None,
    permission: str | None = None,
    query: type[BaseModel] | None = None,
    body: type[BaseModel] | None = None,
    answer: Any = None,
    status: int = 200,
    errors: Sequence[int] = (),
    sends: Mapping[str, Any] | None = None,
    shows: Any = None,
    ids: Mapping[str, Any] | None = None,
    asks: Mapping[str, Any] | None = None,
    versioned: bool = False,
    conditional: bool = False,
    optional: bool = False,
    repeatable: bool = False,
    heavy: bool = False,
    shown: bool = False,
) -> Callable[[Handler], Handler]:
    """Declare a method of a `Door` as an operation.

    `sends` and `shows` are examples of body and answer, `ids` and `asks` of what stands in the address and the query.
    `versioned`: the answer has an ETag; `conditional`: `If-Match` is needed, `optional`: it may be sent, as may
    `If-None-Match`; `repeatable`: `Idempotency-Key` is heeded; `shown`: a bearer shows a credential though there is no
    scope. The docstring of the function is the description.
    """

    def declare(function: Handler) -> Handler:
        @functools.wraps(function)
        def handle(self: Any, request: Any, **kwargs: Any) -> Response:
            given = requests.query(request, query)
            if given is not None:
                kwargs["query"] = given
            if conditional:
                versions.require(request)
            if body is not None:
                kwargs["body"] = requests.body(request, body)
            if repeatable:
                return repeats.once(request, lambda: function(self, request, **kwargs))
            return function(self, request, **kwargs)

        handle.operation = Operation(id, scope, permission, heavy)  # type: ignore[attr-defined]
        refused = _statuses(errors, body=body, ids=ids, conditional=conditional, optional=optional, extra=repeatable)
        document = extend_schema(
            operation_id=id, summary=summary, description=_description(function, scope, permission), tags=[tag],
            parameters=[*_ids(ids or {}), *_query(query, asks or {}), *_headers(conditional, optional, repeatable),
                        *_sent_headers(status, versioned=versioned, repeatable=repeatable)],
            request=body, responses={**_answered(status, answer, summary, shows), **_refusals(refused)},
            examples=[OpenApiExample("example", value=dict(sends), request_only=True)] if sends else None,
            auth=[{"bearer": []}, {}] if shown else None,  # type: ignore[list-item]  # goes in as it is
        )  # fmt: skip
        return document(handle)

    return declare


def _description(function: Handler, scope: str | None, permission: str | None) -> str:
    needed = f" and the permission `{permission}`" if permission else ""
    needs = f"Needs the scope `{scope}`{needed}." if scope else "Needs no scope."
    return f"{inspect.cleandoc(function.__doc__ or '')}\n\n{needs}"


def _statuses(
    errors: Sequence[int], *, body: Any, ids: Any, conditional: bool, optional: bool, extra: bool
) -> list[int]:
    found = {400, 401, 403, 406, 429, 503, *errors}
    found |= {404} if ids else set()
    found |= {413, 415, 422} if body is not None else set()
    found |= {412, 428} if conditional else set()
    found |= {412} if optional else set()
    found |= {409, 422} if extra else set()
    return sorted(found)


def _answered(status: int, answer: Any, summary: str, shows: Any) -> dict[Any, Any]:
    if answer is None:
        return {status: OpenApiResponse(description=summary)}
    examples = [OpenApiExample("example", value=shows)] if shows is not None else None
    return {status: OpenApiResponse(answer, description=summary, examples=examples)}


def _refusals(statuses: Sequence[int]) -> dict[Any, Any]:
    return {(status, problems.MEDIA_TYPE): OpenApiResponse(problems.Problem, WHY[status]) for status in statuses}


def _ids(examples: Mapping[str, Any]) -> list[OpenApiParameter]:
    """`ids` says for each an example, or a schema with one."""
    return [
        OpenApiParameter(
            name, {"type": "string", "format": "uuid"} if not isinstance(example, dict) else example["schema"],
            OpenApiParameter.PATH, required=True,
            examples=[OpenApiExample("example", value=example["example"] if isinstance(example, dict) else example)],
        )
        for name, example in examples.items()
    ]  # fmt: skip


def _query(model: type[BaseModel] | None, examples: Mapping[str, Any]) -> list[OpenApiParameter]:
    if model is None:
        return []
    schema = model.model_json_schema()
    definitions, required = schema.get("$defs", {}), schema.get("required", ())
    found = []
    for name, of in schema.get("properties", {}).items():
        plain = _without_null(of, definitions)
        told = plain.pop("description", "")
        shown = [OpenApiExample("example", value=examples[name])] if name in examples else None
        listed = plain.get("type") == "array"
        parameter = OpenApiParameter(
            name, plain, OpenApiParameter.QUERY, required=name in required, description=told, examples=shown,
            style="form" if listed else None, explode=True if listed else None,
        )  # fmt: skip
        found.append(parameter)
    return found


def _without_null(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> dict[str, Any]:
    """A query has no null: what may be left out is left out."""
    found = {key: value for key, value in schema.items() if key not in ("title", "anyOf", "default", "$ref")}
    kinds = [kind for kind in schema.get("anyOf", ()) if kind.get("type") != "null"]
    if "$ref" in schema:
        kinds = [schema]
    for kind in kinds[:1]:
        where = kind.get("$ref")
        found |= definitions[where.rpartition("/")[2]] if where else kind
    if schema.get("default") is not None:
        found["default"] = schema["default"]
    found.pop("title", None)
    return found


def _headers(conditional: bool, optional: bool, repeatable: bool) -> list[OpenApiParameter]:
    found = []
    if conditional or optional:
        found.append(_header("If-Match", "The ETag of what is to be changed, or `*`.", required=conditional))
    if optional:
        found.append(_header("If-None-Match", "`*`: only if there is none.", r"^\*$"))
    if repeatable:
        told = "A new word for a new request; the same again answers as before, for a day."
        found.append(_header(repeats.HEADER, told, r"^[!-~]{1,255}$"))
    return found


def _header(name: str, told: str, pattern: str | None = None, *, required: bool = False) -> OpenApiParameter:
    schema = {"type": "string", "pattern": pattern} if pattern else {"type": "string", "example": "*"}
    return OpenApiParameter(name, schema, OpenApiParameter.HEADER, required=required, description=told)


def _sent_headers(status: int, *, versioned: bool, repeatable: bool) -> list[OpenApiParameter]:
    """Headers of the answer."""
    found = []
    if versioned:
        found.append(_sent("ETag", "Of what an update may change; for `If-Match`.", status))
    if status == 201:
        found.append(_sent("Location", "Where it is.", status))
    if repeatable:
        found.append(_sent(repeats.REPLAYED, "`true`: it was done before, under the same key.", status))
    return found


def _sent(name: str, told: str, status: int) -> OpenApiParameter:
    return OpenApiParameter(name, {"type": "string"}, OpenApiParameter.HEADER, description=told, response=[status])
