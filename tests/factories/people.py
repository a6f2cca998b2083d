from __future__ import annotations

from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group

from domains.thundergate import roles

PASSWORD = "correct horse battery staple"


def make_user(name: str = "ada", *, operator: bool = False, role: str = "", **fields: Any) -> Any:
    """A person who signs in with `PASSWORD`, of a role perhaps; an operator may do everything."""
    users = get_user_model().objects
    make = users.create_superuser if operator else users.create_user
    user = make(username=name, password=PASSWORD, **fields)
    if role:
        roles.establish()
        user.groups.add(Group.objects.get(name=role))
    return user
