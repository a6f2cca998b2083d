"""What is wrong with a world file, and where."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from agents.errors import AgentError

SHOWN = 200

Path = tuple[str | int, ...]
AT_KEY = "[key]"
"""At the end of a path: the mistake is the key itself, not what it holds. (Pydantic's word.)"""


@dataclass(frozen=True, slots=True)
class Mistake:
    """One mistake. `line` and `column` count from 1; they are 0 when the file has no such place."""

    file: str
    line: int
    column: int
    path: str
    message: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        return f"{place}: {self.path}: {self.message}" if self.path else f"{place}: {self.message}"


class BadFile(AgentError):
    """A world file cannot be used. It is refused whole: nothing has been changed."""

    code = "invalid_world_file"

    def __init__(self, mistakes: Sequence[Mistake]) -> None:
        count = f"{len(mistakes)} mistake{'s' if len(mistakes) != 1 else ''}"
        lines = [str(mistake) for mistake in mistakes[:SHOWN]]
        if len(mistakes) > SHOWN:
            lines.append(f"… and {len(mistakes) - SHOWN} more")
        super().__init__("\n".join([f"{count}; nothing was changed", *lines]))
        self.mistakes = list(mistakes)


def written(path: Iterable[str | int]) -> str:
    """A path as people write it: `zones[2].neighbours[0].zone`."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def meant(word: str, known: Iterable[str], *, listed: int = 12) -> str:
    """What to try instead of an unknown word: the nearest known ones, else what there is."""
    names = sorted(known)
    if near := get_close_matches(word, names, n=3, cutoff=0.6):
        return f"did you mean {' or '.join(near)}?"
    if not names:
        return "there is none yet"
    return f"there is {', '.join(names[:listed])}{' …' if len(names) > listed else ''}"
