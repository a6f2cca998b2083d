from domains.lifecycle import DomainConfig, Tick, clock_opened


class ThunderpacConfig(DomainConfig):
    """Agents; wakes the workers whenever a clock may go on."""

    name = "agents"
    label = "agents"
    domain = "thunderpac"
    depends_on = ("thundergrid", "thundervault")
    verbose_name = "Agents"

    def ready(self) -> None:
        from agents import behaviours, board, reasoners, tasks  # noqa: F401

        behaviours.load_shipped()
        reasoners.load_shipped()
        clock_opened.connect(tasks.wake_workers, dispatch_uid="agents.wake_workers")

    def activate(self, tick: Tick) -> None:
        from agents import partitions

        partitions.ensure_ahead(tick.at)

    def on_tick(self, tick: Tick) -> None:
        from agents import partitions

        if tick.number % 600 == 0:
            partitions.ensure_ahead(tick.at)
