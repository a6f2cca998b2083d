from domains.lifecycle import DomainConfig, Tick


class ThundergridConfig(DomainConfig):
    """Worlds and zones; each heartbeat lets the clocks of running worlds go on, unless the disk is nearly full."""

    name = "zones"
    label = "zones"
    domain = "thundergrid"
    depends_on = ("thunderlink",)
    verbose_name = "Worlds"

    def ready(self) -> None:
        from zones import client_tools, clock_tools, rules  # noqa: F401

    def on_tick(self, tick: Tick) -> None:
        from domains.thunderblock import queries as thunderblock
        from zones import assignment, presence
        from zones.actions import clock

        if not thunderblock.waits():
            clock.open_all(tick.at)
        presence.follow_counts()
        assignment.release_dead()

    def health(self) -> dict[str, object]:
        from domains.thunderblock import queries as thunderblock

        reason = thunderblock.waits()
        return {"waits": reason} if reason else {}
