from __future__ import annotations

from django.contrib.auth.models import AbstractUser
from django.db import models

from domains.ids import new_id


class User(AbstractUser):
    """A person who signs in."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)

    class Meta(AbstractUser.Meta):
        db_table = "users"
