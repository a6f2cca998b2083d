from domains.lifecycle import DomainConfig, Tick


class ThundergridConfig(DomainConfig):
    """Worlds and zones; each heartbeat lets the clocks of running worlds go on."""

    name = "zones"
    label = "zones"
    domain = "thundergrid"
    depends_on = ("thunderlink",)
    verbose_name = "Worlds"

    def on_tick(self, tick: Tick) -> None:
        from zones.actions import clock

        clock.open_all()
