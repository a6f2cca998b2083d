"""Tools in the admin: those that AI clients may call, and those of outside servers that agents may use."""

from mcp_server.admin.outside import OutsideServerAdmin, OutsideToolAdmin
from mcp_server.admin.tools import ToolSettingAdmin

__all__ = ["OutsideServerAdmin", "OutsideToolAdmin", "ToolSettingAdmin"]
