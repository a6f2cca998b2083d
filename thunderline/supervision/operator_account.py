"""The account of the person who runs this installation."""

from __future__ import annotations

import secrets

from django.contrib.auth import get_user_model
from django.db import transaction

USERNAME = "operator"


def ensure() -> str | None:
    """Make the account if there is none. Returns its password, which is kept nowhere else; None if there was
    one."""
    return None if get_user_model().objects.filter(username=USERNAME).exists() else reset_password()


@transaction.atomic
def reset_password() -> str:
    """Give the account, made now if need be, a new random password, and all rights."""
    password = secrets.token_urlsafe(15)
    user, _ = get_user_model().objects.select_for_update().get_or_create(username=USERNAME)
    user.is_active = user.is_staff = user.is_superuser = True
    user.set_password(password)
    user.save()
    return password
