"""Words for how memories are tied."""

from __future__ import annotations

from django import template

register = template.Library()

RELATIONS = {
    "temporal": "one after the other",
    "associative": "same moment or same names",
    "conceptual": "alike in what they mean",
    "causal": "one because of the other",
    "hierarchical": "one sums up the other",
    "contradicts": "contradict each other",
    "spatial": "at the same place",
    "emotional": "felt alike",
}


@register.filter
def relation(name: str) -> str:
    """A tie's relation in words."""
    return RELATIONS.get(name, name.replace("_", " "))


@register.simple_tag
def relations() -> list[tuple[str, str]]:
    """All relations with their words."""
    return list(RELATIONS.items())
