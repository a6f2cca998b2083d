"""The OpenAPI document: what drf-spectacular has to be told, and the document itself, made once a process."""

from __future__ import annotations

from functools import cache
from typing import Any

from drf_spectacular.authentication import SessionScheme
from drf_spectacular.contrib.pydantic import PydanticExtension
from drf_spectacular.drainage import set_override
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.plumbing import ResolvedComponent
from pydantic.json_schema import model_json_schema

_named: dict[str, type] = {}


class ModelExtension(PydanticExtension):
    """Models as what is sent see to it that defaults need not be sent; as what is answered that all is there."""

    target_class = "pydantic.BaseModel"
    match_subclasses = True
    priority = 1

    def get_name(self, auto_schema: Any, direction: Any) -> str:
        """The class's own. Raises: ValueError when two classes share it."""
        if _named.setdefault(self.target.__name__, self.target) is not self.target:
            raise ValueError(f"two models of REST are called {self.target.__name__}")
        set_override(self.target, "suppress_collision_warning", True)
        return str(self.target.__name__)

    def map_serializer(self, auto_schema: Any, direction: Any) -> dict[str, Any]:
        """Its JSON Schema; models within it become components of their own."""
        schema = model_json_schema(
            self.target, ref_template="#/components/schemas/{model}",
            mode="validation" if direction == "request" else "serialization",
        )  # fmt: skip
        for name, inner in schema.pop("$defs", {}).items():
            component = ResolvedComponent(name=name, type=ResolvedComponent.SCHEMA, object=name, schema=inner)
            if component in auto_schema.registry and auto_schema.registry[component].schema != inner:
                raise ValueError(f"two models of REST are called {name}")
            auto_schema.registry.register_on_missing(component)
        return schema


class BearerScheme(OpenApiAuthenticationExtension):
    """How a token is shown."""

    target_class = "thunderline.api.authentication.BearerAuthentication"
    name = "bearer"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        """RFC 6750."""
        return {"type": "http", "scheme": "bearer"}


class BrowserScheme(SessionScheme):
    """The session of a browser."""

    target_class = "domains.thundergate.authentication.BrowserAuthentication"


@cache
def document() -> dict[str, Any]:
    """OpenAPI 3.1, the same for all who may ask for it."""
    from thunderline.api import urls

    return dict(SchemaGenerator(patterns=urls.operations).get_schema(request=None, public=True))
