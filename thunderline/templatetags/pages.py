"""For the pages: bars drawn as SVG (no inline styles, so that a strict CSP holds) and numbers for people."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django import template
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from domains.thundergate.repeats import forms

register = template.Library()


@register.simple_tag
def bar(value: float, most: float = 1.0, kind: str = "") -> SafeString:
    """A bar from 0 to `most`; the number itself is written beside it by the template."""
    width = round(100 * min(1.0, max(0.0, value / most)), 1)
    return format_html(
        '<svg class="bar {}" viewBox="0 0 100 4" preserveAspectRatio="none" aria-hidden="true">'
        '<rect class="track" width="100" height="4"/><rect class="fill" width="{}" height="4"/></svg>',
        kind,
        width,
    )


@register.simple_tag
def balance(value: float) -> SafeString:
    """A bar from the middle for a value of −1 to 1."""
    width = round(50 * min(1.0, abs(value)), 1)
    return format_html(
        '<svg class="bar {}" viewBox="0 0 100 4" preserveAspectRatio="none" aria-hidden="true">'
        '<rect class="track" width="100" height="4"/><rect class="fill" x="{}" width="{}" height="4"/></svg>',
        "low" if value < 0 else "good",
        50 if value >= 0 else 50 - width,
        width,
    )


@register.simple_tag
def ago(instant: datetime | None) -> SafeString:
    """An instant that the browser tells relatively; hovering shows it exactly."""
    if instant is None:
        return SafeString("never")
    local = timezone.localtime(instant)
    return format_html(
        '<time datetime="{}" title="{}">{}</time>',
        instant.isoformat(timespec="milliseconds"),
        f"{local:%A %-d %B %Y, %H:%M:%S} {local.tzname()}",
        f"{local:%H:%M:%S}",
    )


@register.simple_tag
def once() -> SafeString:
    """The key of a form, by which it is done once however often it is sent. Not in panels: it is another each time."""
    return format_html('<input type="hidden" name="{}" value="{}">', forms.FIELD, forms.key())


@register.filter
def whole(value: Any) -> str:
    """A whole number with its thousands set apart."""
    return f"{round(float(value or 0)):,}".replace(",", "\u202f")


@register.filter
def percent(value: Any) -> str:
    """A share 0–1 as a percentage."""
    return f"{round(100 * float(value or 0))} %"


@register.filter
def signed(value: Any, digits: int = 2) -> str:
    """A number with its sign, a true minus, and no more digits than it needs."""
    if not round(float(value), digits):
        return "0"
    text = f"{float(value):+.{digits}f}"
    return (text.rstrip("0").rstrip(".") if "." in text else text).replace("-", "−")


@register.filter
def words(name: Any) -> str:
    """`work_on_goal` as people write it."""
    return str(name).replace("_", " ")


@register.filter
def by_score(scores: dict[str, float]) -> list[tuple[str, float]]:
    """Names with their scores, the best first: jsonb keeps no order."""
    return sorted(scores.items(), key=lambda pair: (-pair[1], pair[0]))


@register.filter
def span(seconds: Any) -> str:
    """Seconds as the largest unit that fits them."""
    seconds = max(0.0, float(seconds or 0))
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


@register.filter
def mood(value: Any) -> str:
    """A mood of −1 to 1 in a word."""
    value = float(value)
    for least, word in ((0.6, "elated"), (0.25, "cheerful"), (-0.1, "even"), (-0.4, "low"), (-0.7, "gloomy")):
        if value >= least:
            return word
    return "desolate"


@register.filter
def dollars(amount: Any) -> str:
    """US dollars: cents, and where it is less than one, as many digits as say anything."""
    value = float(amount or 0)
    return f"${value:,.2f}" if value == 0 or value >= 0.01 else f"${value:.2g}"
