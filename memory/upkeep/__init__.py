"""The vault's upkeep: near-equal memories merge, old episodes are summed up, what faded or is too much goes.

An agent at a time, in short transactions that wait for no tick; see `stints`.
"""
