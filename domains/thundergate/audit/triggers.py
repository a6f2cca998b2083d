"""The triggers of watched tables, kept as `domains.audit` has them: compared and mended each time after migrating.

UPDATE has a row trigger for a list of columns, as PostgreSQL allows no transition tables with one. INSERT and DELETE
have statement triggers over transition tables, so that ten thousand new agents are recorded by one statement.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from hashlib import blake2b
from typing import Any

from django.apps import apps
from django.db import connection, transaction
from django.db.migrations.operations import AlterField, RenameField
from psycopg import sql as composing

from domains.audit import Watched, watched

KEPT = """
SELECT c.relname, t.tgname, coalesce(obj_description(t.oid, 'pg_trigger'), '')
FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
WHERE c.relnamespace = current_schema()::regnamespace AND NOT t.tgisinternal AND t.tgname LIKE 'audit\\_of\\_%'
"""
COLUMNS = """
SELECT c.relname, a.attname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
WHERE c.relnamespace = current_schema()::regnamespace AND a.attnum > 0 AND NOT a.attisdropped AND c.relname = ANY(%s)
"""
READY = "SELECT to_regproc('audit_row') IS NOT NULL"

_CREATE = {
    "update": "AFTER UPDATE OF {columns} ON {table} FOR EACH ROW EXECUTE FUNCTION audit_row({key}, {plain}, {secret})",
    "insert": "AFTER INSERT ON {table} REFERENCING NEW TABLE AS touched FOR EACH STATEMENT "
    "EXECUTE FUNCTION audit_rows({key}, {plain}, {secret})",
    "delete": "AFTER DELETE ON {table} REFERENCING OLD TABLE AS touched FOR EACH STATEMENT "
    "EXECUTE FUNCTION audit_rows({key}, {plain}, {secret})",
    "truncate": "AFTER TRUNCATE ON {table} FOR EACH STATEMENT EXECUTE FUNCTION audit_truncate()",
}


def sync(**_: Any) -> list[str]:
    """Make, replace and drop triggers until they are as declared. Two queries when they are. Returns what was done.

    Tables and columns that a migration has yet to make are left out.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(READY)
        if not cursor.fetchone()[0]:
            return []
        wanted = dict(_wanted(cursor))
        cursor.execute(KEPT)
        kept = {(table, name): digest for table, name, digest in cursor.fetchall()}
        done = []
        for table, name in sorted({*wanted, *kept}):
            statement, digest = wanted.get((table, name), ("", ""))
            if kept.get((table, name)) == digest:
                continue
            if (table, name) in kept:
                cursor.execute(_composed("DROP TRIGGER {} ON {}", name, table))
            if statement:
                cursor.execute(f"CREATE TRIGGER {name} {statement}")
                cursor.execute(_composed(f"COMMENT ON TRIGGER {{}} ON {{}} IS '{digest}'", name, table))
            done.append(f"{table}.{name}")
        return done


def make_way(plan: Sequence[tuple[Any, bool]] = (), **_: Any) -> None:
    """Before migrating, drop what would be in the way; `sync` brings it back.

    PostgreSQL refuses to change the type of a column that a trigger names.
    """
    models = {
        (migration.app_label, operation.model_name.lower())
        for migration, _ in plan
        for operation in migration.operations
        if isinstance(operation, (AlterField, RenameField))
    }
    tables = {model._meta.db_table for model in apps.get_models(include_auto_created=True)
              if (model._meta.app_label, model._meta.model_name) in models}  # fmt: skip
    if not tables:
        return
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(KEPT)
        for table, name, _digest in cursor.fetchall():
            if table in tables:
                cursor.execute(_composed("DROP TRIGGER {} ON {}", name, table))


def _wanted(cursor: Any) -> Iterator[tuple[tuple[str, str], tuple[str, str]]]:
    """What is to be created and its digest, by table and name."""
    cursor.execute(COLUMNS, [list(watched())])
    there: dict[str, set[str]] = {}
    for table, column in cursor.fetchall():
        there.setdefault(table, set()).add(column)
    for table, one in watched().items():
        if one.key not in there.get(table, ()):
            continue
        for kind in ("update", *["insert"] * one.made, *["delete"] * one.deleted, "truncate"):
            if statement := _statement(cursor, one, kind, there[table]):
                digest = blake2b(statement.encode(), digest_size=8).hexdigest()
                yield (table, f"audit_of_{kind}"), (statement, digest)


def _statement(cursor: Any, one: Watched, kind: str, there: set[str]) -> str:
    plain, secret = ([name for name in names if name in there] for names in (one.columns, one.secret))
    if not plain and not secret:
        return ""
    filled = composing.SQL(_CREATE[kind]).format(
        columns=composing.SQL(", ").join(map(composing.Identifier, [*plain, *secret])),
        table=composing.Identifier(one.table), key=composing.Literal(one.key),
        plain=composing.Literal(",".join(plain)), secret=composing.Literal(",".join(secret)),
    )  # fmt: skip
    return filled.as_string(cursor.connection)


def _composed(query: str, *names: str) -> Any:
    return composing.SQL(query).format(*map(composing.Identifier, names))
