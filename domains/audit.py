"""The contract of the audit trail: each app's `audited` module says which columns of its tables people change.

Triggers fire for these columns alone (`UPDATE OF`): an update that sets none of them, as every tick's, calls no
function. Triggers are made after migrating, by `domains.thundergate.audit`; nothing here reads a table.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Watched:
    """A table. `columns` are recorded in full; of `secret` ones it is only said that they changed."""

    table: str
    columns: tuple[str, ...]
    secret: tuple[str, ...] = ()
    key: str = "id"
    made: bool = True
    """Whether new rows are recorded."""
    deleted: bool = True


_watched: dict[str, Watched] = {}


def watch(
    table: str, *columns: str, secret: Sequence[str] = (), key: str = "id", made: bool = True, deleted: bool = True
) -> None:
    """Have changes of a table recorded, once a process; the same table again replaces what was said.

    Name no column that ticks set. `key` is the column that objects are known by.
    """
    if not columns and not secret:
        raise ValueError(f"{table}: which columns?")
    _watched[table] = Watched(table, columns, tuple(secret), key, made, deleted)


def watched() -> dict[str, Watched]:
    """What is recorded, by table."""
    return dict(sorted(_watched.items()))
