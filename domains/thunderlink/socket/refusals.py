"""What clients of the socket are refused with: stable reasons, and a sentence that helps."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from domains.thunderflow.faults import AWAY

logger = logging.getLogger(__name__)


class Refusal(Exception):
    """Something that is not done. `code` is stable; `data` goes to the client beside it."""

    def __init__(self, code: str, message: str, **data: Any) -> None:
        super().__init__(message)
        self.code, self.data = code, data


def told(error: BaseException, what: str) -> dict[str, Any]:
    """A refusal as a reply's response. An error that is none is logged, and kept from the client."""
    if isinstance(error, AWAY):
        return {"reason": "unavailable", "message": "the database does not answer; try again in a moment"}
    code = getattr(error, "code", None)
    if not isinstance(code, str) or not isinstance(error, Exception):
        logger.error("%s failed", what, exc_info=error)
        return {"reason": "internal_error", "message": "something went wrong here; it has been noted"}
    response = {"reason": code, "message": str(error)[:500], **getattr(error, "data", {})}
    if field := getattr(error, "field", None):
        response["field"] = field
    return response


Model = TypeVar("Model", bound=BaseModel)


def checked(model: type[Model], payload: Mapping[str, Any]) -> Model:
    """A payload as its type. Raises: Refusal `invalid_payload`, with the field."""
    try:
        return model.model_validate(payload)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(map(str, first["loc"]))
        raise Refusal("invalid_payload", f"{field or 'payload'}: {first['msg']}"[:300], field=field) from None
