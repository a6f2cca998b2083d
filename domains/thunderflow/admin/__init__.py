"""The log, and those who follow it, in the admin."""

from domains.thunderflow.admin.log import EventAdmin, StreamAdmin

__all__ = ["EventAdmin", "StreamAdmin"]
