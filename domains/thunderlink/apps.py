from domains.lifecycle import DomainConfig


class ThunderlinkConfig(DomainConfig):
    """The heartbeat."""

    name = "domains.thunderlink"
    label = "thunderlink"
    domain = "thunderlink"
    depends_on = ("thunderblock",)
    verbose_name = "Heartbeat"
