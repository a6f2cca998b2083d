"""The official conformance suite against the server's own code, with the tools beside ours that the suite asks for."""
