"""What the words of a memory are is kept in its row."""

from __future__ import annotations

from importlib import import_module

import pytest
from django.db import connection

from domains import sql
from memory import actions
from memory.actions import NewMemory
from memory.models import NO_WORDS, MemoryNode
from memory.recall import signatures
from tests.factories.worlds import make_world

pytestmark = pytest.mark.django_db

TEXTS = ["Ada picked blackberries.", "Bo: Where were you yesterday?", "…"]


def stored() -> dict[str, bytes]:
    return {text: bytes(signature) for text, signature in MemoryNode.objects.values_list("content", "signature")}


@pytest.mark.parametrize("count", [1, 20])
def test_what_is_stored_is_signed(count: int) -> None:
    agent = make_world(agents=1).agents.get()
    texts = [f"{text} {n}" for n in range(count) for text in TEXTS]
    actions.store_many([NewMemory(agent.pk, text) for text in texts])
    assert stored() == {text: signatures.pack(text) for text in texts}


def test_those_of_before_are_signed_by_the_migration() -> None:
    agent = make_world(agents=1).agents.get()
    actions.store_many([NewMemory(agent.pk, text) for text in TEXTS])
    MemoryNode.objects.update(signature=NO_WORDS)
    with connection.schema_editor(atomic=False) as editor:
        import_module("memory.migrations.0006_signature").fill(None, editor)
    assert stored() == {text: signatures.pack(text) for text in TEXTS}


def test_the_table_is_written_anew_with_all_that_hangs_on_it() -> None:
    agent = make_world(agents=1).agents.get()
    actions.store_many([NewMemory(agent.pk, text, tags=("a",)) for text in TEXTS])
    rows, rules = list(MemoryNode.objects.order_by("pk").values()), about()
    sql.execute("SET CONSTRAINTS ALL IMMEDIATE")
    with connection.cursor() as cursor:
        cursor.execute(import_module("memory.migrations.0007_layout").REBUILD)
    assert list(MemoryNode.objects.order_by("pk").values()) == rows
    assert about() == rules
    names = "SELECT attname FROM pg_attribute WHERE attrelid = 'memory_nodes'::regclass AND attnum > 0 ORDER BY attnum"
    assert [name for (name,) in sql.fetch_rows(names)][:4] == ["id", "agent_id", "inserted_at", "importance"]


def about() -> list[str]:
    """Constraints, indexes and triggers of the table and of those that refer to it."""
    found = sql.fetch_rows("""
        SELECT conname || ' ' || conrelid::regclass || ' ' || pg_get_constraintdef(oid) FROM pg_constraint
        WHERE 'memory_nodes'::regclass IN (conrelid, confrelid)
        UNION ALL SELECT indexdef FROM pg_indexes WHERE tablename = 'memory_nodes'
        UNION ALL SELECT pg_get_triggerdef(oid) FROM pg_trigger
        WHERE tgrelid = 'memory_nodes'::regclass AND NOT tgisinternal
        UNION ALL SELECT concat(attname, attstorage, attnotnull) FROM pg_attribute
        WHERE attrelid = 'memory_nodes'::regclass AND attnum > 0 AND NOT attisdropped""")
    return sorted(row[0] for row in found)
