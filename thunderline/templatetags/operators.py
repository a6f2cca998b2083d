"""For the pages of who looks after the system: sizes, figures of any kind, instants to come."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from django import template
from django.utils import timezone

register = template.Library()


@register.filter
def size(value: Any) -> str:
    """Bytes in the largest unit of which there is one at least: `1.4 GB`."""
    if value is None:
        return "not known"
    left = float(value)
    for unit in ("B", "kB", "MB", "GB"):
        if abs(left) < 999.5:
            return f"{left:.0f} {unit}" if unit == "B" or abs(left) >= 99.5 else f"{left:.1f} {unit}"
        left /= 1000
    return f"{left:.1f} TB"


@register.filter
def dollars(value: Any) -> str:
    """US dollars, with more digits where it is little."""
    amount = float(value or 0)
    if amount == 0:
        return "$0"
    if amount < 0.0001:
        return "under $0.0001"
    return f"${amount:,.2f}" if amount >= 0.995 else f"${amount:.4f}"


@register.filter
def figure(value: Any) -> str:
    """Whatever a domain tells of itself."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}".replace(",", "\u202f")
    if isinstance(value, float):
        return f"{value:.4g}"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


@register.filter
def pretty(value: Any) -> str:
    """JSON for people."""
    return json.dumps(value, indent=2, ensure_ascii=False, sort_keys=True, default=str)


@register.filter
def exact(instant: datetime) -> str:
    """An instant in full."""
    local = timezone.localtime(instant)
    return f"{local:%A %-d %B %Y, %H:%M:%S} {local.tzname()}"


@register.filter
def clock(instant: datetime) -> str:
    """The time of day of an instant that is to come."""
    local = timezone.localtime(instant)
    return f"{local:%H:%M:%S} {local.tzname()}"
