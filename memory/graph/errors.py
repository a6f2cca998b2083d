"""What the graph refuses."""

from __future__ import annotations

from memory.errors import VaultError


class InvalidEdge(VaultError):
    """An edge between memories that do not exist or are not one agent's, to itself, or of a strength that is none."""

    code = "invalid_edge"


class InvalidFact(VaultError):
    """A fact without subject, relation or value, that ends before it begins, or from another's memory."""

    code = "invalid_fact"


class InvalidName(VaultError):
    """A name that is none, or of a memory that does not exist."""

    code = "invalid_name"
