from importlib.metadata import entry_points

from domains import tools
from domains.lifecycle import DomainConfig

ENTRY_POINTS = "thunderline.mcp_tools"
"""Group under which other packages name modules whose import declares tools."""


class ThundermcpConfig(DomainConfig):
    """Tools, resources and prompts for AI clients."""

    name = "mcp_server"
    label = "mcp_server"
    domain = "thundermcp"
    depends_on = ("thunderpac",)
    verbose_name = "Tools for AI clients"

    def ready(self) -> None:
        """Tools of other packages come by entry point; those that ship are declared by their own apps."""
        from mcp_server.outside import offers

        tools.outside_from(offers.described)
        for point in sorted(entry_points(group=ENTRY_POINTS), key=lambda point: point.value):
            point.load()
