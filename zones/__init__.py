"""Worlds and their zones: clocks, places, resources, permissions."""
