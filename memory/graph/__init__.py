"""The graph of memories: who and what is named in them, how they hang together, and which facts held when."""
