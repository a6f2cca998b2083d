from domains.lifecycle import DomainConfig, Tick, clock_opened


class ThunderpacConfig(DomainConfig):
    """Agents; wakes the workers whenever a clock may go on."""

    name = "agents"
    label = "agents"
    domain = "thunderpac"
    depends_on = ("thundergrid", "thundervault")
    verbose_name = "Agents"

    def ready(self) -> None:
        from agents import behaviours, board, client_tools, reasoners, rules, tasks  # noqa: F401
        from agents.channels import updates, world, zone  # noqa: F401
        from agents.minds.summaries import ModelSummariser
        from memory.upkeep import summarisers

        behaviours.load_shipped()
        reasoners.load_shipped()
        client_tools.load()
        summarisers.register(ModelSummariser())
        clock_opened.connect(tasks.wake_workers, dispatch_uid="agents.wake_workers")

    def activate(self, tick: Tick) -> None:
        from agents import partitions

        partitions.ensure_ahead(tick.at)

    def on_tick(self, tick: Tick) -> None:
        from agents import partitions, pulses
        from agents.actions import embodiment

        embodiment.sweep()
        if tick.number % pulses.EVERY == 0:
            pulses.take(tick.at)
        if tick.number % 600 == 0:
            partitions.ensure_ahead(tick.at)
