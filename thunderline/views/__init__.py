"""The pages. Each reads through `queries.py`, writes through `actions.py`, and shows nobody what is not theirs."""
