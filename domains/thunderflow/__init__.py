"""Events: one append-only log with a place for everything that changed, written with the change it tells of."""
