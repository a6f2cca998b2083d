from domains.lifecycle import DomainConfig


class ThunderblockConfig(DomainConfig):
    """The registry of active domains."""

    name = "domains.thunderblock"
    label = "thunderblock"
    domain = "thunderblock"
    depends_on = ("thunderflow",)
    verbose_name = "Domains"
