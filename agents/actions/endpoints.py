"""Naming models, their prices, and what may be spent on them."""

from __future__ import annotations

from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db import transaction

from agents.actions.minds import tell_change
from agents.errors import Invalid, NotFound
from agents.models import Endpoint, Price, SpendingCap


def add_endpoint(*, name: str, base_url: str, model: str, by: str, api_key: str = "", **fields: Any) -> Endpoint:
    """Name a model at an address. `fields` are further columns. Raises: Invalid."""
    parts = urlsplit(base_url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise Invalid(f"base URL: {base_url!r} does not look like http://127.0.0.1:11434/v1")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise Invalid("base URL: leave out names, passwords, queries and fragments; the key has its own place")
    endpoint = Endpoint(name=name, base_url=base_url.rstrip("/"), model=model, api_key=api_key, **fields)
    _save(endpoint, "endpoint_added", name, by)
    return endpoint


def change_endpoint(name: str, *, by: str, **fields: Any) -> Endpoint:
    """Change some columns of an endpoint. Raises: NotFound, Invalid."""
    endpoint = find_endpoint(name)
    for column, value in fields.items():
        setattr(endpoint, column, value)
    _save(endpoint, "endpoint_changed", f"{name}: {', '.join(sorted(fields))}", by)
    return endpoint


def remove_endpoint(name: str, *, by: str) -> None:
    """Forget an endpoint and its caps; the record of its calls stays. Agents who name it go by rule from now on.

    Raises: NotFound.
    """
    endpoint = find_endpoint(name)
    with transaction.atomic():
        SpendingCap.objects.filter(scope="endpoint", target_id=endpoint.pk).delete()
        endpoint.delete()
        tell_change("endpoint_removed", name, by=by)


def set_price(model: str, *, prompt: Decimal, completion: Decimal, by: str) -> Price:
    """Say what a model's tokens cost, in US dollars a million. Raises: Invalid."""
    price = Price.objects.filter(model=model).first() or Price(model=model)
    price.prompt, price.completion = prompt, completion
    _save(price, "price_set", f"{model}: {prompt} and {completion} a million", by)
    return price


def set_cap(
    scope: str, *, period: str, measure: str, most: Decimal | None, by: str, target_id: UUID | None = None
) -> SpendingCap | None:
    """Set what may be spent at most, for one agent, world or endpoint or for each; None takes the cap away.

    Raises: Invalid.
    """
    key = {"scope": scope, "target_id": target_id, "period": period, "measure": measure}
    cap = SpendingCap.objects.filter(**key).first() or SpendingCap(**key, most=Decimal(0))
    if most is None:
        with transaction.atomic():
            SpendingCap.objects.filter(pk=cap.pk).delete()
            tell_change("cap_removed", str(cap), by=by)
        return None
    cap.most = most
    _save(cap, "cap_set", str(cap), by)
    return cap


def find_endpoint(name: str) -> Endpoint:
    """Raises: NotFound."""
    try:
        return Endpoint.objects.get(name=name)
    except Endpoint.DoesNotExist:
        known = ", ".join(Endpoint.objects.values_list("name", flat=True)) or "none yet"
        raise NotFound(f"there is no endpoint {name!r}; there are: {known}") from None


def _save(row: Any, what: str, detail: str, by: str) -> None:
    """Raises: Invalid, with every mistake."""
    try:
        row.full_clean()
    except ValidationError as error:
        found = [f"{field.replace('_', ' ')}: {' '.join(texts)}" for field, texts in error.message_dict.items()]
        raise Invalid("; ".join(found).replace("__all__: ", "")) from error
    with transaction.atomic():
        row.save()
        tell_change(what, detail, by=by)
