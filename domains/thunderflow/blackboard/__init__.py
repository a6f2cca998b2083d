"""The blackboard: knowledge that all share, with a version for each entry and an event for each change.

An entry has a key of dot-separated tokens, whose first one is its namespace. Everything that changes a namespace goes
through the counter of its stream `blackboard:<namespace>`: the counter's lock makes writers wait for each other, and an
entry's version is the `seq` of its latest event there. So versions only grow, over deletion and expiry too, and whoever
expects a version is told the truth.
"""
