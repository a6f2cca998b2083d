"""The three rates, from counts. Pure."""

from __future__ import annotations


class Rates:
    """Mix into whatever has the counts. Each rate is 0 to 1, or None when there is nothing to speak of."""

    memories: int
    stored: int
    merged: int
    near_duplicates: int
    junk: int
    recalls: int
    hits: int

    @property
    def junk_rate(self) -> float | None:
        """Share of the memories that were never recalled, are unimportant and of little feeling."""
        return _share(self.junk, self.memories)

    @property
    def duplicate_rate(self) -> float | None:
        """Share of what was stored that said nothing new: what merged, and what all but repeats an earlier memory."""
        return _share(self.merged + self.near_duplicates, self.stored)

    @property
    def hit_rate(self) -> float | None:
        """Share of the agents' recalls that brought something of use."""
        return _share(self.hits, self.recalls)


def _share(part: int, whole: int) -> float | None:
    return round(min(1.0, part / whole), 4) if whole else None
