"""The log, and the blackboard, in the admin."""

from domains.thunderflow.admin.blackboard import EntryAdmin, NamespaceAdmin
from domains.thunderflow.admin.log import EventAdmin, StreamAdmin

__all__ = ["EntryAdmin", "EventAdmin", "NamespaceAdmin", "StreamAdmin"]
