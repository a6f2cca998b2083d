"""Communication: the heartbeat."""
