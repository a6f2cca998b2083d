"""Columns that Django has no field for."""

from __future__ import annotations

import base64
from functools import lru_cache
from typing import Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings
from django.db import models


class WrittenJSONField(models.JSONField):
    """PostgreSQL's `json`: kept as it was written, for what is written often and looked into seldom.

    Half the cost of `jsonb` to write. It cannot be compared or indexed; `->` and `->>` work.
    """

    def db_type(self, connection: Any) -> str:
        return "json"

    def from_db_value(self, value: Any, expression: Any, connection: Any) -> Any:
        return value  # psycopg has decoded it


class Undecipherable(Exception):
    """A secret was encrypted under another `THUNDERLINE_SECRET_KEY` than today's; it must be entered anew."""


class Secret:
    """A value of an `EncryptedField` as it was read. Shows itself to nobody but who asks for it by `reveal`."""

    def __init__(self, token: str) -> None:
        self.token = token

    def reveal(self) -> str:
        """The text. Raises: Undecipherable."""
        if not self.token:
            return ""
        try:
            return _fernet().decrypt(self.token.encode()).decode()
        except InvalidToken:
            raise Undecipherable("it was encrypted under another THUNDERLINE_SECRET_KEY; enter it again") from None

    def __bool__(self) -> bool:
        return bool(self.token)

    def __str__(self) -> str:
        return "••••••••" if self.token else ""

    __repr__ = __str__


class EncryptedField(models.TextField):
    """Text that lies encrypted in the database (Fernet; its key is derived from Django's signing key).

    Read as a `Secret`; set it to plain text, and it is encrypted when it is saved.
    """

    def get_prep_value(self, value: Any) -> Any:
        if isinstance(value, Secret):
            return value.token
        return _fernet().encrypt(value.encode()).decode() if value else ""

    def from_db_value(self, value: Any, expression: Any, connection: Any) -> Any:
        return Secret(value or "")

    def to_python(self, value: Any) -> Any:
        """A secret passes validation as it is: what it shows of itself would be saved in its place."""
        return value if isinstance(value, Secret) else super().to_python(value)

    def value_to_string(self, obj: Any) -> str:
        """Nothing: `dumpdata` writes no secrets."""
        return ""


def rotated(token: str) -> str:
    """A stored value encrypted anew under today's signing key. Raises: Undecipherable."""
    try:
        return _fernet().rotate(token.encode()).decode()
    except InvalidToken:
        raise Undecipherable("it was encrypted under a signing key that is not known any more") from None


def is_current(token: str) -> bool:
    """Whether a stored value is encrypted under today's signing key."""
    try:
        _cipher(settings.SECRET_KEY).decrypt(token.encode())
    except InvalidToken:
        return False
    return True


def _fernet() -> MultiFernet:
    """Encrypts with today's signing key, reads what those before it encrypted, too."""
    return MultiFernet([_cipher(key) for key in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)])


@lru_cache(maxsize=16)
def _cipher(key: str) -> Fernet:
    derive = HKDF(SHA256(), 32, salt=None, info=b"thunderline.fields.EncryptedField")
    return Fernet(base64.urlsafe_b64encode(derive.derive(key.encode())))
