"""The MCP server: tools, resources and prompts for AI clients, over streamable HTTP, WebSocket and stdio."""
