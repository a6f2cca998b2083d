"""Names of worlds, zones, agents and mods are read by people, whichever door they come by: nothing hides in them."""

from __future__ import annotations

import re
from typing import TypeVar

T = TypeVar("T")

# Control characters, separators of lines, and what turns the direction of the text around it (Unicode's UAX #9).
_HIDING = r"\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069"
_HIDDEN = re.compile(f"[{_HIDING}]")
PATTERN = rf"^[^{_HIDING}]*[^\s{_HIDING}][^{_HIDING}]*$"
"""The same in a JSON Schema, of a name that is not blank."""


def plain(name: T) -> T:
    """The name itself; what is no text is another check's. Raises: ValueError."""
    if isinstance(name, str) and (found := _HIDDEN.search(name)):
        raise ValueError(f"a name has no control characters and none that turn text around (U+{ord(found[0]):04X})")
    return name
