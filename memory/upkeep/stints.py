"""Looking after agents, one after the other: merge what is near-equal, sum up what is old, let go of what faded.

A visit is a few short transactions of one agent. Each takes its locks in this order: the agent's row of
`memory_upkeep` (skipped when another process has it), its graph, memories in the order of their index (skipped when
somebody holds them), edges, and the event stream last. Ticks take none of them but memories that they store again, and
for these wait as long as one such transaction at most. Killed at any moment, a step is undone and done once more.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, fields
from datetime import datetime
from uuid import UUID

from memory.graph import upkeep as graph
from memory.upkeep import doubles, pruning, state, summarisers, summing
from memory.upkeep.limits import COMPARED, Limits, limits
from memory.upkeep.state import Elsewhere


@dataclass(slots=True)
class Done:
    """What was done: memories, but for ties from `mentions` to `ties_gone`, and `agents` and `elsewhere`."""

    agents: int = 0
    elsewhere: int = 0
    """In the hands of another process."""
    linked: int = 0
    mentions: int = 0
    ties: int = 0
    ties_faded: int = 0
    ties_gone: int = 0
    compared: int = 0
    merged: int = 0
    summaries: int = 0
    put_off: int = 0
    """Episodes whose summary comes later."""
    faded: int = 0
    over_budget: int = 0
    """Removed for the budget's sake."""
    kept_over_budget: int = 0
    """Still above it, as others depend on them."""
    more: bool = False
    """There was no time for all."""

    def add(self, other: Done) -> None:
        """Count another one's in."""
        for one in fields(self):
            setattr(self, one.name, getattr(self, one.name) + getattr(other, one.name))
        self.more = bool(self.more)


def run(*, now: datetime, seconds: float, clock: Callable[[], float] = time.monotonic) -> Done:
    """One stint: half of the time for the graph, the rest for agents that are due. No step begins after `seconds`."""
    until = clock() + seconds
    done = link(now=now, seconds=seconds / 2, clock=clock)
    while clock() < until:
        claimed = state.claim(limits().every)
        if claimed is None:
            return done
        agent_id, settle = claimed
        visited = visit(agent_id, now=now, settle=settle)
        visited.more = False
        done.add(visited)
    done.more = done.more or state.any_due()
    return done


def waiting() -> bool:
    """Whether there is something to do. Two short queries at most."""
    return graph.waiting() or state.any_due()


def link(*, now: datetime, seconds: float, clock: Callable[[], float] = time.monotonic) -> Done:
    """The graph's share."""
    found = graph.run(now=now, seconds=seconds, clock=clock)
    return Done(
        linked=found.memories, mentions=found.mentions, ties=found.edges, ties_faded=found.faded,
        ties_gone=found.removed, more=found.more,
    )  # fmt: skip


def visit(agent_id: UUID, *, now: datetime, settle: bool = True, wait: bool = False, ask: bool = True) -> Done:
    """Look after one agent: a batch to compare and, to `settle`, of episodes and of what goes; `more` if that was one.

    `wait`: for another process that has it, else it is left to that one. `ask`: whether a model may be asked.
    """
    own, done = limits(), Done(agents=1)
    try:
        with state.held(agent_id, wait=wait):
            compared = doubles.merge_new(agent_id)
        done.compared, done.merged = compared.memories, compared.merged
        # Another full batch may be there; those that somebody held are not waited for.
        done.more = compared.memories == COMPARED and compared.left < COMPARED
        if settle:
            _settle(agent_id, own, done, now=now, wait=wait, ask=ask)
    except Elsewhere:
        done.agents, done.elsewhere, done.more = 0, 1, False
        return done
    state.finish(agent_id, settled=settle, more=done.more, over=done.kept_over_budget, every=own.every)
    return done


def _settle(agent_id: UUID, own: Limits, done: Done, *, now: datetime, wait: bool, ask: bool) -> None:
    """Who has too many memories need not keep episodes as they are until they are old.

    Raises: Elsewhere; what is done stays done.
    """
    crowded = pruning.over_budget(agent_id, own.budget) > 0
    after = own.summarise_after if not crowded else own.summarise_after * 0
    due, found = summing.find(agent_id, now=now, after=after)
    told = list(zip(due, summarisers.summarise(agent_id, due, ask=ask), strict=True))
    ready = [(episode, words) for episode, words in told if not words.later]
    done.summaries = summing.write(agent_id, ready, wait=wait)
    done.put_off = len(told) - done.summaries
    # What was just summed up may go now; what is still to be, may not.
    if done.summaries < len(ready) or done.put_off:
        found.awaiting.update(moment.id for episode, _ in told for moment in episode.moments)
    with state.held(agent_id, wait=wait):
        pruned = pruning.prune(agent_id, own, now=now, awaiting=found.awaiting)
    done.faded, done.over_budget, done.kept_over_budget = pruned.faded, pruned.excess, pruned.over
    left = len(found.due) > len(due) or done.put_off > 0
    done.more = done.more or pruned.more or (done.summaries > 0 and left)
