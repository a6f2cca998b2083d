"""Benchmarks: `manage.py bench …`. Each runs in a database of its own on the same server, beside the limit."""
