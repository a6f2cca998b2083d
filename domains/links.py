"""Links of the admin: from a row to those that it has to do with."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import urlencode

from django.urls import NoReverseMatch, reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.text import Truncator
from unfold.decorators import display

NONE = "–"
ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}([0-9a-f]{8})")


def address(label: str, pk: object) -> str:
    """Where the row of a model (`zones.zone`) is shown; empty when it is nowhere."""
    try:
        return reverse(f"admin:{label.lower().replace('.', '_')}_change", args=[pk])
    except NoReverseMatch:
        return ""


def to(label: str, pk: object, text: object = None) -> SafeString | str:
    """A link to a row of a model; the text alone where rows of it are not shown."""
    if pk is None:
        return NONE
    shown, found = str(pk if text is None else text), address(label, pk)
    return format_html('<a href="{}" class="to">{}</a>', found, shown) if found else shown


def short(text: str) -> SafeString | str:
    """A text with each id by its end, which is what tells ids apart; hovering shows it whole."""
    told = ID.sub(r"…\1", text)
    return format_html('<span title="{}">{}</span>', text, told) if told != text else text


def listed(label: str, text: str | SafeString, **by: object) -> SafeString:
    """A link to a model's list, filtered: `listed("agents.mod", "mods", agent__id__exact=agent.pk)`."""
    found = reverse(f"admin:{label.lower().replace('.', '_')}_changelist")
    return format_html('<a href="{}?{}" class="to">{}</a>', found, urlencode(by), text)


def page(name: str, text: str, *args: object) -> SafeString:
    """A link to a page that is not of the admin."""
    return format_html('<a href="{}" class="to">{}</a>', reverse(name, args=args), text)


def line(links: Iterable[SafeString | str]) -> SafeString:
    """Side by side."""
    return format_html_join(" · ", "{}", ((one,) for one in links if one))


def column(name: str, *, title: str = "", ordered: bool = True, chars: int = 40) -> Callable[[Any], SafeString | str]:
    """A column for `list_display`: what a foreign key leads to, as a link. Select it with `list_select_related`."""

    @display(description=title or name.replace("_", " "), ordering=name if ordered else None)
    def shown(row: Any) -> SafeString | str:
        there = getattr(row, name)
        return NONE if there is None else to(there._meta.label_lower, there.pk, Truncator(str(there)).chars(chars))

    shown.__name__ = name
    return shown
