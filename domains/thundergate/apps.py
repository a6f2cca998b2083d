from typing import Any

from django.db.backends.signals import connection_created
from django.db.models.signals import post_migrate, pre_migrate
from django.utils.module_loading import autodiscover_modules

from domains import origin
from domains.lifecycle import DomainConfig, Tick


class ThundergateConfig(DomainConfig):
    """Identities, and who may do what."""

    name = "domains.thundergate"
    label = "thundergate"
    domain = "thundergate"
    depends_on = ("thunderflow",)
    verbose_name = "People"

    def ready(self) -> None:
        """Every app's `holdings` module registers what it holds, and `audited` what is recorded of its tables."""
        from domains.thundergate.audit import triggers

        autodiscover_modules("holdings")
        autodiscover_modules("audited")
        pre_migrate.connect(triggers.make_way, sender=self, dispatch_uid="thundergate.audit")
        post_migrate.connect(triggers.sync, sender=self, dispatch_uid="thundergate.audit")
        connection_created.connect(_mark_writes, dispatch_uid="thundergate.audit")
        from domains.thundergate import roles

        post_migrate.connect(roles.establish, dispatch_uid="thundergate.roles")

    def on_tick(self, tick: Tick) -> None:
        """Tokens that have long expired, and failed logins that count no longer, are forgotten, each minute."""
        from domains.thundergate import logins, tokens

        if tick.number % 60 == 40:
            tokens.sweep()
            logins.sweep()


def _mark_writes(connection: Any, **_: Any) -> None:
    """A connection that broke is opened anew with its wrappers."""
    if origin.wrap not in connection.execute_wrappers:
        connection.execute_wrappers.append(origin.wrap)
