"""Outside MCP servers: naming them, finding their tools, and calling these for agents (ADR 0021)."""
