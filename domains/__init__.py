"""One Django app per Thunder domain, and the contracts that they share."""
