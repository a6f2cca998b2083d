"""Tools for people's programs that are about agents. Each module registers its own when it is imported."""


def load() -> None:
    """Import them all."""
    from agents.client_tools import living, memories, pac, steering, talking  # noqa: F401
