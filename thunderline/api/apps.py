from django.apps import AppConfig


class ApiConfig(AppConfig):
    """What the OpenAPI document is made with."""

    name = "thunderline.api"
    label = "api"
    verbose_name = "REST"

    def ready(self) -> None:
        """drf-spectacular finds extensions once they are imported."""
        from thunderline.api import openapi  # noqa: F401
