"""What the socket shows of zones and agents, and what clients can do there.

`zone` is a zone as a place to be in, `pushes` collects what clients do and applies it, `updates` shows every tick.
"""
