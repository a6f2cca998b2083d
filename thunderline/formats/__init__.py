"""How the admin writes instants: to the second, by 24 hours."""
