"""What the graph holds to: how strong ties are, how they fade, and how many there may be. Figures, and nothing else."""

from __future__ import annotations

from datetime import timedelta

MOST_EDGES = 32
"""Of one memory, in and out together. The weakest go; of equals those that are longest unchanged."""
MOST_NEW_EDGES = 6
"""That a memory gets when it is linked."""
MOST_TOGETHER = 3
"""Memories of the same moment that a memory is tied to: the nearest before it."""
MOST_SHARED = 3
"""Memories that a memory is tied to for the sake of one entity: the latest before it that name it."""
MOST_NAMING = 100
"""Memories that may name an entity for it to tie them together. What everything names says nothing."""
MOST_BATCH = 500
"""Memories that one step of linking takes."""
COMPARED_WITHIN = timedelta(minutes=1)
"""How long after they are linked memories are compared with others, so that those of a while come together."""

STRENGTH_NEXT = 0.3
STRENGTH_TOGETHER = 0.5
STRENGTH_SHARED = 0.4
"""For an entity that nothing else names; less the more memories do: divided by 1 + ln(memories)."""
MOST_FORMED = 0.9
"""Of an edge made here: only what is recalled together becomes stronger."""
GAIN = 0.1
"""Share of what is missing to 1 that being recalled together adds."""

FADING = ("temporal", "associative", "spatial", "conceptual", "emotional")
"""Relations that fade. Causes, wholes and contradictions stay: they were told, and not only noticed."""
HALF_LIFE = timedelta(days=30)
FLOOR = 0.03
"""An edge that is weaker goes."""
FADE_EVERY = timedelta(days=1)
"""A strength is at most this much behind the clock."""
MOST_FADED = 5_000
"""Edges that one step of fading takes."""
