"""Secrets in the database, by the column that has them: keys of endpoints."""

from __future__ import annotations

from typing import Any

import pytest
from django.core import serializers
from django.db import connection

from agents.models import Endpoint
from domains.fields import EncryptedField, Secret, Undecipherable

KEY = "sk-very-secret-🔑"

pytestmark = pytest.mark.django_db


def make(key: str = KEY, **changes: Any) -> Endpoint:
    return Endpoint.objects.create(
        **{"name": "local", "base_url": "http://127.0.0.1:1/v1", "model": "m", "api_key": key, **changes}
    )


def stored(endpoint: Endpoint) -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT api_key FROM mind_endpoints WHERE id = %s", [endpoint.pk])
        return str(cursor.fetchone()[0])


def read(endpoint: Endpoint) -> Endpoint:
    return Endpoint.objects.get(pk=endpoint.pk)


def test_the_key_is_read_again_by_who_asks_for_it() -> None:
    assert read(make()).api_key.reveal() == KEY


def test_the_key_does_not_lie_in_the_table() -> None:
    endpoint = make()
    row = stored(endpoint)
    assert row
    assert KEY not in row
    assert "secret" not in row
    assert stored(make(name="other")) != row, "the same key twice looks different"


def test_no_key_is_an_empty_one() -> None:
    endpoint = make("")
    assert stored(endpoint) == ""
    assert not read(endpoint).api_key
    assert str(read(endpoint).api_key) == ""


def test_saved_again_it_stays_as_it_was() -> None:
    endpoint = make()
    before = stored(endpoint)
    again = read(endpoint)
    again.model = "another"
    again.save()
    assert stored(endpoint) == before
    assert read(endpoint).api_key.reveal() == KEY


def test_saved_again_it_needs_no_key_to_the_key(settings: Any) -> None:
    """An endpoint can be edited though its key was encrypted under another signing key."""
    endpoint = make()
    before = stored(endpoint)
    settings.SECRET_KEY = "another"
    read(endpoint).save()
    assert stored(endpoint) == before


def test_validated_it_stays_as_it_was() -> None:
    """Validation puts cleaned values back, and a secret must not be replaced by what it shows of itself."""
    endpoint = make()
    again = read(endpoint)
    again.full_clean()
    again.save()
    assert read(endpoint).api_key.reveal() == KEY


def test_it_can_be_replaced_and_taken_away() -> None:
    endpoint = make()
    again = read(endpoint)
    again.api_key = "sk-new"
    again.full_clean()
    again.save(update_fields=["api_key"])
    assert read(endpoint).api_key.reveal() == "sk-new"
    Endpoint.objects.filter(pk=endpoint.pk).update(api_key="")
    assert not read(endpoint).api_key


@pytest.mark.parametrize("show", [str, repr, format, "{}".format, "{0!r}".format, "%s".__mod__])
def test_it_does_not_show_itself(show: Any) -> None:
    secret = read(make()).api_key
    assert KEY not in show(secret)
    assert secret.token not in show(secret)
    assert show(secret).strip() == "••••••••"


def test_it_does_not_show_in_a_row_or_a_dump() -> None:
    endpoint = read(make())
    values = Endpoint.objects.values("api_key", "name").get(pk=endpoint.pk)
    dumped = serializers.serialize("json", [endpoint])
    for text in (repr(endpoint), str(values), str(Endpoint.objects.values_list()), dumped):
        assert KEY not in text
        assert endpoint.api_key.token not in text
    assert '"api_key": ""' in dumped, "loaded again, it must not be a key made of dots"


def test_under_another_signing_key_it_is_undecipherable(settings: Any) -> None:
    secret = read(make()).api_key
    settings.SECRET_KEY = "another"
    with pytest.raises(Undecipherable, match="enter it again") as caught:
        secret.reveal()
    assert KEY not in str(caught.value)
    assert secret.token not in str(caught.value)
    assert bool(secret), "there is one, though it cannot be read"


@pytest.mark.parametrize("token", ["plain text", "gAAAAA", "ключ", KEY])
def test_what_was_never_encrypted_is_undecipherable(token: str) -> None:
    with pytest.raises(Undecipherable):
        Secret(token).reveal()


def test_what_was_tampered_with_is_undecipherable() -> None:
    token = stored(make())
    for at in (10, len(token) // 2, len(token) - 5):
        flipped = "A" if token[at] != "A" else "B"
        with pytest.raises(Undecipherable):
            Secret(token[:at] + flipped + token[at + 1 :]).reveal()


def test_every_key_is_a_field_of_this_kind() -> None:
    """So that nobody adds a plain column for one."""
    from django.apps import apps

    for model in apps.get_app_config("agents").get_models():
        for field in model._meta.get_fields():
            if any(word in field.name for word in ("api_key", "token_secret", "password")):
                assert isinstance(field, EncryptedField), f"{model.__name__}.{field.name}"
