"""Rules over metrics and events that raise alerts, looked at every ten heartbeats.

`sources` says where metrics come from, `decide` what follows from them, `actions` writes it down and tells it.
"""
