"""`manage.py heartbeat`: whether the heart beats, how often and how evenly."""

from __future__ import annotations

from argparse import ArgumentParser
from dataclasses import asdict
from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand

from domains import console
from domains.thunderlink import heartbeat


class Command(BaseCommand):
    help = "The heartbeat that everything runs on."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help="one JSON document")

    def handle(self, *args: Any, **options: Any) -> None:
        stats = heartbeat.stats()
        if options["json"]:
            console.write_json(self.stdout, asdict(stats))
            return
        out = console.console(self.stdout)
        if stats.age_s is None:
            out.print("[yellow]No heartbeat yet.[/] Start the system with `make run`.")
            return
        state = "[green]beating[/]" if stats.beating else "[red]silent[/]"
        out.print(f"{state}, heartbeat {stats.tick_count}, the last one {stats.age_s:.1f} s ago")
        rows = [
            ("up for", str(timedelta(seconds=round(stats.uptime_seconds)))),
            ("interval", f"{stats.interval_ms:.0f} ms"),
            ("latency", f"{stats.latency:.1f} ms"),
            ("active domains", stats.active_domains),
        ]
        for name, value in rows:
            out.print(f"  {name:<15} {value}")
        if not stats.beating:
            out.print("Nothing ticks while the heart is silent; start the system with `make run`.")
