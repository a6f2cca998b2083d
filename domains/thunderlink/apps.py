from domains.lifecycle import DomainConfig, Tick


class ThunderlinkConfig(DomainConfig):
    """The heartbeat, the socket, and the nodes that serve it."""

    name = "domains.thunderlink"
    label = "thunderlink"
    domain = "thunderlink"
    depends_on = ("thunderblock",)
    verbose_name = "Communication"

    def ready(self) -> None:
        """Topics of the socket are known once they are imported."""
        super().ready()
        from domains.thunderlink import channels  # noqa: F401

    def on_tick(self, tick: Tick) -> None:
        """What is long gone is forgotten, each minute."""
        from domains.thunderlink import nodes

        if tick.number % 60 == 30:
            nodes.sweep()
