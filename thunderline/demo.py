"""The demo world: what somebody sees who has nothing of their own yet."""

from __future__ import annotations

from importlib.resources import files

from agents.world_files import loading, reading
from zones import queries as zones

FILE = files("agents") / "worlds" / "demo.yaml"


def ensure() -> bool:
    """Load the demo world if there is no world at all. True if it was loaded."""
    if zones.worlds().exists():
        return False
    loading.load(reading.read(FILE.read_bytes(), file="demo.yaml"), by="system")
    return True
