"""`manage.py heartbeat` from outside."""

import json
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import call_command
from django.utils import timezone

from domains.thunderlink.models import Heart
from tests.factories import beat

pytestmark = pytest.mark.django_db


def heartbeat(*arguments: str) -> str:
    out = StringIO()
    call_command("heartbeat", *arguments, stdout=out)
    return out.getvalue()


def test_before_the_first_beat() -> None:
    assert "No heartbeat yet" in heartbeat()
    assert json.loads(heartbeat("--json"))["beating"] is False


def test_a_beating_heart() -> None:
    beat()
    beat()
    stats = json.loads(heartbeat("--json"))
    assert (stats["tick_count"], stats["beating"], stats["active_domains"]) == (2, True, 7)
    assert "beating, heartbeat 2" in heartbeat()


def test_a_silent_heart_says_what_to_do() -> None:
    beat()
    Heart.objects.update(beat_at=timezone.now() - timedelta(seconds=9))
    assert json.loads(heartbeat("--json"))["beating"] is False
    text = heartbeat()
    assert "silent" in text
    assert "make run" in text
