from django.apps import AppConfig


class ThunderlineConfig(AppConfig):
    """The composition root. Last in INSTALLED_APPS, so that plug-ins find everything registered."""

    name = "thunderline"
    verbose_name = "Thunderline"

    def ready(self) -> None:
        from thunderline import plugins

        plugins.modules()
