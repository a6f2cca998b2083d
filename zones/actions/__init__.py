"""Writes to worlds and zones: `clock` (time), `worlds`, `places` (zones, permissions, notices)."""
