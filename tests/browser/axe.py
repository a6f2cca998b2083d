"""axe from npm looks a page over for what keeps people out: contrast, names, roles, order of headings and the like.

It comes into the page by the devtools protocol, which no policy of the page hinders: the policy stays in force.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page

SOURCE = Path(__file__).parent / "node_modules" / "axe-core" / "axe.min.js"
KEEPS_OUT = ("serious", "critical")
# What fades in is looked at once it is there; what moves for ever is not waited for.
SETTLE = """() => {
    const ends = (each) => isFinite(each.effect.getComputedTiming().endTime)
    return Promise.allSettled(document.getAnimations().filter(ends).map((each) => each.finished))
}"""
LOOK = """async () => {
    const {violations} = await axe.run(document, {resultTypes: ["violations"]})
    return violations.map(({id, impact, help, nodes}) => (
        {id, impact, help, nodes: nodes.map(({target, failureSummary}) => ({target, failureSummary}))}
    ))
}"""


@cache
def source() -> str:
    """The library. Skips the test without it; in CI that is a failure."""
    if not SOURCE.exists():
        (pytest.fail if os.environ.get("CI") else pytest.skip)("axe is not there: make browser")
    return SOURCE.read_text()


def violations(page: Page) -> list[Mapping[str, Any]]:
    """What axe finds serious or critical in the page as it is now, each with the nodes that it is about."""
    page.evaluate(SETTLE)
    if not page.evaluate("'axe' in window"):
        page.evaluate(f"{source()}; undefined")
    found: list[Mapping[str, Any]] = page.evaluate(LOOK)
    return [each for each in found if each["impact"] in KEEPS_OUT]


def told(found: Iterable[Mapping[str, Any]]) -> str:
    """For people: a paragraph for each rule, then where and why, five places at most."""
    return "\n\n".join(_paragraph(each) for each in found)


def _paragraph(violation: Mapping[str, Any]) -> str:
    nodes = violation["nodes"]
    lines = [f"{violation['impact']}: {violation['help']} ({violation['id']}, {len(nodes)} places)"]
    for node in nodes[:5]:
        why = " ".join(node["failureSummary"].split("\n")[1:]).strip()
        lines.append(f"    {' '.join(map(str, node['target']))}: {why}")
    return "\n".join(lines)
