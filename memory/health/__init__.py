"""How well memories serve: what is junk, what repeats itself, and how often a recall is of use."""
