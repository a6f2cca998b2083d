from domains.lifecycle import DomainConfig


class ThundervaultConfig(DomainConfig):
    """Memories."""

    name = "memory"
    label = "memory"
    domain = "thundervault"
    depends_on = ("thunderblock",)
    verbose_name = "Memory"
