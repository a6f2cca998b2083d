"""`manage.py up`: run everything until Ctrl-C."""

from __future__ import annotations

import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from thunderline.config import config
from thunderline.embedded.places import Places
from thunderline.supervision import checks
from thunderline.supervision.system import System


class Command(BaseCommand):
    help = "Run Thunderline: database, Redis, web and workers, under one supervisor. Ctrl-C ends it."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--check", action="store_true", help="only say whether it could start")
        parser.add_argument("--reload", action="store_true", help="restart web and workers when the source changes")

    def handle(self, *args: Any, check: bool, reload: bool, **options: Any) -> None:
        settings = config()
        if check:
            checks.check(settings, Places.of(settings.var_dir).make())
            self.stdout.write("Nothing is in the way of a start.")
        else:
            System(settings, sys.stdout, reload=reload).run()
