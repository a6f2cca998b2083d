"""`manage.py down`: end the system that runs on this installation, wherever it was started."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from thunderline.config import config
from thunderline.embedded import attach
from thunderline.embedded.locks import FileLock
from thunderline.embedded.places import Places
from thunderline.supervision import supervisor


class Command(BaseCommand):
    help = "Stop the Thunderline that runs on this installation. The data stays."
    requires_system_checks = ()

    def handle(self, *args: Any, **options: Any) -> None:
        places = Places.of(config().var_dir).make()
        address = attach.running_address(places)
        if address is None:
            self.stdout.write("Thunderline does not run.")
            return
        supervisor.shut_down(places)
        with FileLock(places.system_lock, places) as lock:
            lock.take()
        self.stdout.write(f"Stopped what ran at {address}.")
