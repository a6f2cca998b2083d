from django.apps import AppConfig


class ApiConfig(AppConfig):
    """The table of requests that may be repeated, and what the OpenAPI document is made with."""

    name = "thunderline.api"
    label = "api"
    verbose_name = "REST"

    def ready(self) -> None:
        """drf-spectacular finds extensions once they are imported."""
        from thunderline.api import openapi  # noqa: F401
