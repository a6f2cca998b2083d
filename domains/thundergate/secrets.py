"""Keys for other uses that follow from Django's signing keys: the first signs, all of them are believed."""

from __future__ import annotations

from functools import lru_cache

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings


def derived(use: str) -> list[bytes]:
    """32 bytes for each signing key, today's first and then those that it replaced."""
    return [_derive(use, key) for key in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)]


@lru_cache(maxsize=64)
def _derive(use: str, key: str) -> bytes:
    return HKDF(SHA256(), 32, salt=None, info=use.encode()).derive(key.encode())
