"""More rows of any model, like the first one but for what must be unique."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

from django.db import models
from django.db.models.base import ModelState

from domains.ids import new_id


def multiply(model: Any, count: int) -> None:
    """Rows like the first of the model until there are `count`. There must be one."""
    manager = model._default_manager
    first = manager.order_by("pk").first()
    assert first is not None, f"there is no row of {model._meta.label} to begin with"
    missing = count - manager.count()
    if missing > 0:
        manager.bulk_create([_like(first, i) for i in range(1, missing + 1)])


def _like(row: Any, i: int) -> Any:
    made = copy.copy(row)
    made._state = ModelState()
    for field in _unique(type(row)):
        setattr(made, field.attname, _other(row, field, i))
    return made


def _unique(model: Any) -> Iterator[Any]:
    """The key, columns that are unique by themselves, and one of those that are so together."""
    yield from (field for field in model._meta.concrete_fields if field.primary_key or field.unique)
    together = [*model._meta.unique_together, *(each.fields for each in model._meta.total_unique_constraints)]
    together += [each.fields for each in model._meta.constraints if isinstance(each, models.UniqueConstraint)]
    for names in together:
        fields = [model._meta.get_field(name) for name in names]
        if not any(field.primary_key or field.unique for field in fields):
            yield min(fields, key=lambda field: (field.is_relation, bool(field.choices)))


def _other(row: Any, field: Any, i: int) -> Any:
    """Another value of a column for the i-th copy."""
    value = getattr(row, field.attname)
    if field.is_relation and field.null:
        return None
    if field.is_relation:
        taken = {getattr(row, each.attname) for each in row._meta.concrete_fields if each.is_relation}
        others = field.related_model._default_manager.order_by("pk").exclude(pk__in=taken)
        if field.unique:
            others = others.exclude(pk__in=type(row)._default_manager.values(field.attname))
        return others.values_list("pk", flat=True)[i - 1]
    if isinstance(field, models.AutoField):
        return None
    if isinstance(field, models.UUIDField):
        return new_id()
    if isinstance(field, models.BooleanField):
        return False
    if isinstance(field, models.BinaryField):
        return i.to_bytes(16)
    if isinstance(field, models.DateTimeField):
        return value + timedelta(minutes=i)
    if isinstance(value, Decimal):
        return value + i
    return value + 1000 + i if isinstance(value, int) else f"{value[:80]} {i}"
