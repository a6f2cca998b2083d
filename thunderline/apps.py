from django.apps import AppConfig


class ThunderlineConfig(AppConfig):
    """The composition root. Last in INSTALLED_APPS, so that plug-ins find everything registered."""

    name = "thunderline"
    verbose_name = "Thunderline"

    def ready(self) -> None:
        from domains.thunderflow import readers
        from domains.thundergate.alerts import sources
        from thunderline import channels, metrics, plugins, streams  # noqa: F401

        plugins.modules()
        readers.register(streams.seen_by)
        sources.register("moment", metrics.Moment().collect)
        sources.register("counts", metrics.counts)
