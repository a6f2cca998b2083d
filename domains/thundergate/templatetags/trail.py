from __future__ import annotations

from django import template
from django.db.models import Model
from django.urls import reverse
from django.utils.http import urlencode

from domains.audit import watched

register = template.Library()


@register.simple_tag
def trail_address(thing: Model | None) -> str:
    """Where the audit trail shows all changes of a thing; empty when they are not recorded."""
    if thing is None or (one := watched().get(thing._meta.db_table)) is None:
        return ""
    query = urlencode({"of": one.table, "q": str(getattr(thing, one.key))})
    return f"{reverse('admin:thundergate_auditentry_changelist')}?{query}"
