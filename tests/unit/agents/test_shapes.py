"""The shapes of what is pushed into zones and told of them are a promise to clients, kept in a file.

When one is meant to change: `RENEW=1 .venv/bin/python -m pytest tests/unit/agents/test_shapes.py`
"""

import json
import os
from pathlib import Path
from typing import Any

import agents.events
import zones.events
from agents.inputs import PUSHES
from domains.thunderflow.payloads import declared

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
    }


def test_shapes_are_as_promised() -> None:
    """A client may rely on the old shape. If one is meant to change, see this file's first lines."""
    now = shapes()
    if os.environ.get("RENEW"):
        KEPT.write_text(json.dumps(now, indent=1, sort_keys=True) + "\n")
    kept = json.loads(KEPT.read_text())
    changed = [name for part in now for name in now[part] | kept[part] if now[part].get(name) != kept[part].get(name)]
    assert changed == []
