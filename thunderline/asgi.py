"""What daphne serves."""

from __future__ import annotations

import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "thunderline.settings")
get_asgi_application()  # before anything that needs the apps

from domains.thunderlink.socket import node  # noqa: E402
from thunderline.routing import application  # noqa: E402

__all__ = ["application"]

node.start()
