"""The demo world: what somebody sees who has nothing of their own yet."""

from __future__ import annotations

from django.apps import apps
from django.core.management import call_command, get_commands

from thunderline.config import BASE_DIR

FILE = BASE_DIR / "docs" / "demo.yaml"


def ensure() -> bool:
    """Load the demo world if there is no world at all. True if it was loaded."""
    if "world" not in get_commands() or not FILE.exists() or apps.get_model("zones", "World").objects.exists():
        return False
    call_command("world", "load", str(FILE))
    return True
