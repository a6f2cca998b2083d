from domains.lifecycle import DomainConfig, Tick


class ThunderflowConfig(DomainConfig):
    """The event log and its partitions."""

    name = "domains.thunderflow"
    label = "thunderflow"
    domain = "thunderflow"
    verbose_name = "Events"

    def activate(self, tick: Tick) -> None:
        from domains.thunderflow import partitions

        partitions.ensure_ahead()

    def on_tick(self, tick: Tick) -> None:
        from domains.thunderflow import partitions

        partitions.ensure_ahead()

    def health(self) -> dict[str, object]:
        from domains.thunderflow import queries

        return {"settled": queries.settled()}
