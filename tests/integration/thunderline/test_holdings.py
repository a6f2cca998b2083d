"""Nothing that is stored is forgotten when somebody is."""

import pytest
from django.db import connection

from domains.redaction.holdings import claimed

pytestmark = pytest.mark.django_db

# Leaves have the columns of their tables.
COLUMNS = """
SELECT c.relname, a.attname FROM pg_class c
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
JOIN pg_type t ON t.oid = a.atttypid
WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p', 'm', 'f') AND NOT c.relispartition
  AND (t.typname IN ('text', 'varchar', 'bpchar', 'json', 'jsonb', 'bytea', 'xml', 'halfvec', 'vector', 'tsvector')
       OR t.typcategory IN ('A', 'S', 'U'))
  AND t.typname NOT IN ('uuid', 'macaddr')
ORDER BY 1, 2
"""


def columns() -> set[tuple[str, str]]:
    with connection.cursor() as cursor:
        cursor.execute(COLUMNS)
        return set(cursor.fetchall())


def test_every_column_of_words_is_in_somebodys_care_or_declared_as_harmless() -> None:
    held = claimed()
    nobodys = [f"{table}.{column}" for table, column in sorted(columns()) if column not in held.get(table, ())]
    assert not nobodys, f"say in a `holdings` module what becomes of {', '.join(nobodys)}"


def test_what_is_claimed_exists() -> None:
    there = columns()
    assert [
        f"{table}.{name}" for table, of in claimed().items() for name in sorted(of) if (table, name) not in there
    ] == []


def test_a_new_column_would_be_noticed() -> None:
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE diaries (id bigint PRIMARY KEY, page text)")
    assert ("diaries", "page") in columns() - {(table, one) for table, of in claimed().items() for one in of}
