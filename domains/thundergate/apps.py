from domains.lifecycle import DomainConfig


class ThundergateConfig(DomainConfig):
    """Users and who may do what."""

    name = "domains.thundergate"
    label = "thundergate"
    domain = "thundergate"
    depends_on = ("thunderflow",)
    verbose_name = "People"
