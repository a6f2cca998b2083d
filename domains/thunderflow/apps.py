from django.conf import settings
from django.utils.module_loading import autodiscover_modules

from domains.lifecycle import DomainConfig, Tick

SEAL_EVERY = 60
"""Heartbeats."""


class ThunderflowConfig(DomainConfig):
    """The event log and its partitions, and the blackboard."""

    name = "domains.thunderflow"
    label = "thunderflow"
    domain = "thunderflow"
    verbose_name = "Events"

    def ready(self) -> None:
        from domains.thunderflow import checks  # noqa: F401

        autodiscover_modules("subscribers")
        from domains.thunderflow.blackboard import tools  # noqa: F401

    def activate(self, tick: Tick) -> None:
        from domains.thunderflow import partitions

        partitions.ensure_ahead()

    def on_tick(self, tick: Tick) -> None:
        from domains.thunderflow import partitions, seals
        from domains.thunderflow.blackboard import actions as blackboard
        from domains.thunderflow.subscribers import actions as subscribers

        partitions.ensure_ahead()
        blackboard.expire_all()
        subscribers.watch_piles(most=settings.CONFIG.dead_letters)
        if tick.number % SEAL_EVERY == 20:
            seals.seal()

    def health(self) -> dict[str, object]:
        from domains.thunderflow import queries

        return {"settled": queries.settled()}
