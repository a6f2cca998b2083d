"""The tick engine: `loop` finds work, `turn` takes one zone, `chunk` ticks its agents, `barrier` moves the clock."""
