"""The memories of all agents at once: searching them, and the vector index that makes it quick."""
