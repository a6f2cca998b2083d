from django.utils.module_loading import autodiscover_modules

from domains.lifecycle import DomainConfig, Tick

LOOK_EVERY = 10
"""Heartbeats."""


class ThunderblockConfig(DomainConfig):
    """The registry of active domains, how much is kept of what grows, and the disk that it lies on."""

    name = "domains.thunderblock"
    label = "thunderblock"
    domain = "thunderblock"
    depends_on = ("thunderflow",)
    verbose_name = "Domains"

    def ready(self) -> None:
        """Every app's `retention` module registers its stores."""
        autodiscover_modules("retention")

    def activate(self, tick: Tick) -> None:
        from domains.thunderblock import disk, retention

        retention.sync()
        disk.look(disk.folder(), now=tick.at)

    def on_tick(self, tick: Tick) -> None:
        from domains.thunderblock import disk, retention

        if tick.number % LOOK_EVERY == 0:
            disk.look(disk.folder(), now=tick.at)
            retention.run_due(now=tick.at)
