"""`manage.py operator reset-password`: a new password for the operator's account."""

from __future__ import annotations

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from thunderline.supervision import operator_account


class Command(BaseCommand):
    help = "The account of the person who runs this installation."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("action", choices=["reset-password"])

    def handle(self, *args: Any, action: str, **options: Any) -> None:
        password = operator_account.reset_password()
        self.stdout.write(json.dumps({"username": operator_account.USERNAME, "password": password}))
