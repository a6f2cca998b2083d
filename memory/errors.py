"""The refusals of this app."""

from __future__ import annotations


class VaultError(Exception):
    """Base of the refusals of this app."""

    code = "memory_error"


class InvalidMemory(VaultError):
    """The content or a figure is out of range."""

    code = "invalid_memory"


class NoSuchMemory(VaultError):
    """There is none of that id, or it is another agent's."""

    code = "no_such_memory"


class InvalidQuestion(VaultError):
    """A search is asked for something that it does not do."""

    code = "invalid_question"
