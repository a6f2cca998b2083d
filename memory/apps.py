from domains.lifecycle import DomainConfig, Tick


class ThundervaultConfig(DomainConfig):
    """Memories."""

    name = "memory"
    label = "memory"
    domain = "thundervault"
    depends_on = ("thunderblock",)
    verbose_name = "Memory"

    def on_tick(self, tick: Tick) -> None:
        """Wake the upkeep when there is something to do, unless it has been woken already; and now and then."""
        from domains import queue
        from memory import tasks
        from memory.actions import upkeep
        from memory.upkeep import stints

        embed, look_after = upkeep.waiting(), stints.waiting()
        if (embed or look_after) and not queue.waiting("upkeep"):
            if embed:
                tasks.embed_waiting.apply_async(expires=tasks.EXPIRES_S)
            if look_after:
                tasks.look_after.apply_async(expires=tasks.CARE_EXPIRES_S)
        if tick.number % tasks.INDEX_EVERY == 0:
            tasks.tend_index.apply_async(expires=tasks.INDEX_EVERY)
        if tick.number % tasks.HEALTH_EVERY == 0:
            tasks.refresh_health.apply_async(expires=tasks.HEALTH_EVERY)
