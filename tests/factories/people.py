from __future__ import annotations

from typing import Any

from django.contrib.auth import get_user_model

PASSWORD = "correct horse battery staple"


def make_user(name: str = "ada", *, operator: bool = False, **fields: Any) -> Any:
    """A person who signs in with `PASSWORD`; an operator may do everything."""
    users = get_user_model().objects
    make = users.create_superuser if operator else users.create_user
    return make(username=name, password=PASSWORD, **fields)
