"""The pages. Each reads through the apps' `queries.py`, writes through their `actions.py`, and shows nobody what is not theirs."""
