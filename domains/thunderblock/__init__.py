"""Persistence: the registry of domains and the states they go through."""
