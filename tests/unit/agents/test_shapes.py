"""The shapes of what is pushed into zones, answered and told of them are a promise to clients, kept in a file.

When one is meant to change: `RENEW=1 .venv/bin/python -m pytest tests/unit/agents/test_shapes.py`
"""

import json
import os
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

import agents.events
import zones.events
from agents.channels.shapes import ANSWERS, Meta
from agents.inputs import PUSHES
from domains.thunderflow.payloads import declared
from domains.thunderlink.socket.shapes import TOLD

KEPT = Path(__file__).parents[2] / "contracts" / "shapes.json"
TELLERS = {agents.events.__name__, zones.events.__name__}


def shapes() -> dict[str, Any]:
    told = {topic: kind for topic, kind in declared().items() if kind.__module__ in TELLERS}
    return {
        "pushes": {verb: kind.model_json_schema() for verb, kind in sorted(PUSHES.items())},
        "events": {
            topic: {"version": kind.version, **kind.model_json_schema()}
            for topic, kind in told.items()
            if topic.startswith(("zone.", "agent."))
        },
        "answers": {verb: TypeAdapter(kind).json_schema() for verb, kind in ANSWERS.items()},
        "told": {name: TypeAdapter(kind).json_schema() for name, kind in {**TOLD, "presence": Meta}.items()},
    }


def test_shapes_are_as_promised() -> None:
    """A client may rely on the old shape. If one is meant to change, see this file's first lines."""
    now = shapes()
    if os.environ.get("RENEW"):
        KEPT.write_text(json.dumps(now, indent=1, sort_keys=True) + "\n")
    kept = json.loads(KEPT.read_text())
    changed = [name for part in now for name in now[part] | kept[part] if now[part].get(name) != kept[part].get(name)]
    assert changed == []


def test_everything_that_can_be_pushed_has_an_answer() -> None:
    assert ANSWERS.keys() == {*PUSHES, "phx_join", "get_zone_state"}
