"""Every change of what people set up is recorded, whatever writes it; ticks record nothing and call no trigger."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest
from django.contrib.auth.models import Group
from django.db import DatabaseError, connection, transaction
from django.test import Client
from django.urls import reverse

from agents.models import Agent, Endpoint, Mod
from domains import audit, sql
from domains.origin import Origin
from domains.thunderflow.context import acting
from domains.thundergate import tokens
from domains.thundergate.audit import queries, triggers
from domains.thundergate.models import AuditEntry, User
from mcp_server import access, calls
from tests.factories import make_user, wake_domains
from tests.integration.agents.living import live, make_world, people, person
from tests.integration.thunderline.api.conftest import Api
from zones.models import World

pytestmark = pytest.mark.django_db
ONE = UUID(int=1)
ANN = Origin("rest", "192.0.2.7", ONE, "key-1", "PATCH /api/v1/worlds")


def latest(table: str = "worlds") -> AuditEntry:
    found = queries.entries(table=table).first()
    assert found is not None
    return found


def count() -> int:
    return AuditEntry.objects.count()


def test_who_and_from_where_and_before_and_after() -> None:
    world, _ = make_world(name="Harbour")
    with acting(actor="user:ann", origin=ANN, correlation_id=ONE):
        World.objects.filter(pk=world.pk).update(rate=4.0, description="By the sea")
    entry = latest()
    assert (entry.action, entry.object_id, entry.actor, entry.door) == ("change", str(world.pk), "user:ann", "rest")
    assert (entry.address, entry.user_id, entry.key_id, entry.request) == (
        "192.0.2.7", ONE, "key-1", "PATCH /api/v1/worlds",
    )  # fmt: skip
    assert entry.correlation_id == ONE
    assert entry.before == {"rate": 1.0, "description": ""}
    assert entry.after == {"rate": 4.0, "description": "By the sea"}


def raw(world: World) -> None:
    sql.execute("UPDATE worlds SET rate = 9 WHERE id = %s", [world.pk])


def raw_returning(world: World) -> None:
    sql.fetch_rows("WITH w AS (SELECT %s::uuid AS id) UPDATE worlds SET rate = 9 FROM w WHERE worlds.id = w.id "
                   "RETURNING worlds.id", [world.pk])  # fmt: skip


def by_cursor(world: World) -> None:
    with connection.cursor() as cursor:
        cursor.execute("UPDATE worlds SET rate = %s WHERE id = %s", [9, world.pk])


def in_bulk(world: World) -> None:
    world.rate = 9.0
    World.objects.bulk_update([world], ["rate"])


def saved(world: World) -> None:
    world.rate = 9.0
    world.save()


def upserted(world: World) -> None:
    world.rate = 9.0
    World.objects.bulk_create([world], update_conflicts=True, unique_fields=["id"], update_fields=["rate"])


@pytest.mark.parametrize("write", [raw, raw_returning, by_cursor, in_bulk, saved, upserted])
def test_every_way_of_writing_is_recorded(write: Callable[[World], None]) -> None:
    world, _ = make_world(name="Harbour")
    before = count()
    with acting(actor="user:ann", origin=ANN):
        write(world)
    assert count() == before + 1
    entry = latest()
    assert (entry.actor, entry.before, entry.after) == ("user:ann", {"rate": 1.0}, {"rate": 9.0})


def test_what_is_copied_in_is_recorded() -> None:
    group = Group.objects.create(name="keepers")
    user = make_user("ann")
    with acting(actor="user:ann", origin=ANN), transaction.atomic():
        sql.copy("users_groups", {"user_id": "uuid", "group_id": "int4"}, [(user.pk, group.pk)])
    entry = latest("users_groups")
    assert (entry.action, entry.actor) == ("create", "user:ann")
    assert entry.after == {"user_id": str(user.pk), "group_id": group.pk}


def test_ten_thousand_rows_are_ten_thousand_entries_by_one_statement() -> None:
    before = count()
    with acting(actor="user:ann", origin=ANN):
        Group.objects.bulk_create([Group(name=f"group {i}") for i in range(10_000)], batch_size=10_000)
        assert count() == before + 10_000
        Group.objects.filter(name__startswith="group ").delete()
    assert count() == before + 20_000
    assert set(queries.entries(table="auth_group")[:10_000].values_list("action", "actor")) == {("delete", "user:ann")}


def test_a_save_that_changes_nothing_says_nothing() -> None:
    world, _ = make_world()
    before = count()
    world.save()
    assert count() == before


def test_what_is_rolled_back_was_not_done() -> None:
    world, _ = make_world()
    before = count()
    with acting(actor="user:ann", origin=ANN), transaction.atomic():
        raw(world)
        transaction.set_rollback(True)
    assert count() == before


def test_after_a_rolled_back_savepoint_it_is_still_known_who_acts() -> None:
    world, _ = make_world()
    with acting(actor="user:ann", origin=ANN), transaction.atomic():
        with pytest.raises(psycopg.errors.CheckViolation), transaction.atomic():
            sql.execute("UPDATE worlds SET rate = -1 WHERE id = %s", [world.pk])
        raw(world)
    assert latest().actor == "user:ann"


def test_within_one_connection_each_is_named_for_its_own() -> None:
    world, _ = make_world()
    with acting(actor="user:ann", origin=ANN):
        raw(world)
        assert latest().actor == "user:ann"
        with acting(actor="user:bo"):
            World.objects.filter(pk=world.pk).update(rate=2)
        assert (latest().actor, latest().door) == ("user:bo", "rest")
    World.objects.filter(pk=world.pk).update(rate=3)
    assert (latest().actor, latest().door, latest().address) == ("system", "system", "")


def test_what_is_done_past_the_application_is_recorded_too() -> None:
    world, _ = make_world()
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL application_name = 'psql'")
        cursor.execute("UPDATE worlds SET rate = 9 WHERE id = %s", [world.pk])
    assert (latest().door, latest().actor[:5]) == ("sql", "role:")


def test_secrets_are_not_in_it() -> None:
    user = make_user("ann")
    endpoint = Endpoint.objects.create(name="local", base_url="http://127.0.0.1:9/v1", model="m", api_key="sk-hidden")
    user.set_password("another horse")
    user.save(update_fields=["password"])
    Endpoint.objects.filter(pk=endpoint.pk).update(api_key="sk-other")
    assert latest("users").after == {"password": "(secret)"}
    assert latest("mind_endpoints").after == {"api_key": "(secret)"}
    for entry in AuditEntry.objects.filter(table__in=["users", "mind_endpoints"]):
        told = str(entry.before) + str(entry.after)
        assert user.password not in told and "sk-" not in told and "md5" not in told


# --- Ticks ---------------------------------------------------------------------------------------------------


def calls_of_triggers() -> int:
    """How often functions of the audit triggers were called by this transaction."""
    found = sql.fetch_rows(
        "SELECT coalesce(sum(pg_stat_get_xact_function_calls(p.oid)), 0) FROM pg_proc p "
        "WHERE p.proname IN ('audit_row', 'audit_rows')"
    )
    return int(found[0][0])


def test_a_tick_records_nothing_and_calls_no_function() -> None:
    world, (zone, _) = make_world({}, {}, ways=[(0, 1, 1.0)])
    people(zone, 8, goals=[{"name": "mend the bridge"}])
    live(world, 3)  # partitions and the like are made by now
    before, ticks = count(), sum(Agent.objects.values_list("tick_number", flat=True))
    sql.fetch_rows("SELECT set_config('track_functions', 'all', true)")
    called = calls_of_triggers()
    with acting(actor="user:ann", origin=ANN):  # whoever asked for it
        live(world, 30)
    assert sum(Agent.objects.values_list("tick_number", flat=True)) >= ticks + 8 * 30
    assert (count(), calls_of_triggers()) == (before, called)
    World.objects.filter(pk=world.pk).update(rate=2)
    assert calls_of_triggers() == called + 1, "and would be seen"


def test_a_mod_that_runs_out_is_in_the_tick_log_and_one_taken_off_is_here() -> None:
    world, (zone,) = make_world({})
    agent = person(zone, mods=[{"name": "cloak", "kind": "skill", "duration": 2}])
    live(world, 5)
    mod = Mod.objects.get(agent=agent)
    assert not mod.active
    assert queries.entries(table="pac_mods", object_id=str(mod.pk)).values_list("action", flat=True)[0] == "create"
    Mod.objects.filter(pk=mod.pk).update(active=True)
    assert latest("pac_mods").after == {"active": True}


def test_no_watched_column_is_one_that_ticks_set() -> None:
    ticked = {"energy", "mood", "x", "y", "goals", "working_memory", "tick_number", "last_tick", "due_tick", "mail",
              "updated_at", "zone_id", "mod_count", "activity", "current_focus", "recent_actions"}  # fmt: skip
    assert not ticked & {*audit.watched()["pac_agents"].columns}
    assert not {"tick", "target_tick", "credit", "updated_at", "next_ordinal"} & {*audit.watched()["worlds"].columns}


# --- Kept as it is -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_log SET actor = 'user:bo'",
        "DELETE FROM audit_log",
        "TRUNCATE audit_log",
        "INSERT INTO audit_log SELECT * FROM audit_log ON CONFLICT (id) DO UPDATE SET actor = 'user:bo'",
    ],
)
@pytest.mark.parametrize("hand", ["", "retention", "redaction"])
def test_nobody_changes_what_was_recorded(statement: str, hand: str) -> None:
    make_world()
    before = list(AuditEntry.objects.values_list())
    if hand == "redaction":
        statement = statement.replace("actor = 'user:bo'", "door = 'sql', at = now()")
    with pytest.raises(DatabaseError, match="audit trail"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT set_config('thunderline.audit_hand', %s, true)", [hand])
        cursor.execute(statement)
    assert list(AuditEntry.objects.values_list()) == before != []


def age(days: int) -> None:
    """Make all entries older, as only who owns the table can."""
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE audit_log DISABLE TRIGGER audit_keep_rows")
        cursor.execute("UPDATE audit_log SET at = at - make_interval(days => %s)", [days])
        cursor.execute("ALTER TABLE audit_log ENABLE TRIGGER audit_keep_rows")


def test_retention_lets_the_old_go_and_nothing_else() -> None:
    from domains.retention import Limits
    from domains.thundergate.retention import AuditTrail

    make_world(name="Old")
    age(31)
    old = count()
    make_world(name="New")
    new = count() - old
    store, gone = AuditTrail(), []
    for piece in store.due(Limits(30, None), datetime.now(UTC)):
        store.let_go(piece, gone.append)
    assert [one.rows for one in gone] == [old]
    assert count() == new
    assert store.due(Limits(1, None), datetime.now(UTC)) == []


# --- Triggers as they are declared ----------------------------------------------------------------------------


def test_triggers_are_as_declared_and_are_mended() -> None:
    assert triggers.sync() == []
    with connection.cursor() as cursor:
        cursor.execute("DROP TRIGGER audit_of_update ON worlds")
    assert triggers.sync() == ["worlds.audit_of_update"]
    assert triggers.sync() == []


def test_every_declared_column_exists() -> None:
    with connection.cursor() as cursor:
        cursor.execute(triggers.COLUMNS, [list(audit.watched())])
        there = set(cursor.fetchall())
    declared = {(one.table, name) for one in audit.watched().values() for name in (one.key, *one.columns, *one.secret)}
    assert declared - there == set()


def test_a_migration_may_change_a_watched_column() -> None:
    from django.db.migrations import AlterField, Migration
    from django.db.models import CharField

    migration = Migration("0001_longer", "auth")
    migration.operations = [AlterField("group", "name", CharField(max_length=300))]
    triggers.make_way(plan=[(migration, False)])
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE auth_group ALTER COLUMN name TYPE varchar(300)")
    assert {one.partition(".")[0] for one in triggers.sync()} == {"auth_group"}


# --- Doors ---------------------------------------------------------------------------------------------------


def test_the_admin_is_named_as_the_door(as_operator: Client, operator: User, settings: Any) -> None:
    settings.PROXIES = 1
    data = {"name": "keepers", "permissions": []}
    headers = {"X-Forwarded-For": "6.6.6.6, 203.0.113.5"}
    as_operator.post(reverse("admin:auth_group_add"), data, headers=headers)
    entry = latest("auth_group")
    assert (entry.actor, entry.door, entry.address, entry.user_id) == (
        "user:operator", "admin", "203.0.113.5", operator.pk,
    )  # fmt: skip
    assert entry.request == "POST /admin/auth/group/add/"


def test_the_trail_is_searched_by_person_object_door_and_time(as_operator: Client) -> None:
    world, _ = make_world(name="Harbour")
    with acting(actor="user:ann", origin=ANN):
        World.objects.filter(pk=world.pk).update(rate=4.0)
    address = reverse("admin:thundergate_auditentry_changelist")
    today = (datetime.now(UTC) - timedelta(days=1)).isoformat()
    for query, number in (
        ({"q": "ann"}, 1), ({"q": str(world.pk), "of": "worlds"}, 2), ({"q": "nobody"}, 0),
        ({"door__exact": "rest", "q": "ann"}, 1), ({"door__exact": "mcp"}, 0), ({"q": "192.0.2.7"}, 1),
        ({"at__gte": today, "q": str(world.pk)}, 2), ({"at__lt": today, "q": str(world.pk)}, 0),
    ):  # fmt: skip
        page = as_operator.get(address, query)
        assert page.status_code == 200 and page.context["cl"].result_count == number, query
    entry = latest()
    page = as_operator.get(reverse("admin:thundergate_auditentry_change", args=[entry.pk]))
    assert "<del>1</del>" in page.content.decode() and "<ins>4</ins>" in page.content.decode()


def test_what_was_written_is_shown_as_text_only(as_operator: Client) -> None:
    make_world(name="<script>alert(1)</script>")
    entry = latest()
    for page in (reverse("admin:thundergate_auditentry_change", args=[entry.pk]),
                 reverse("admin:thundergate_auditentry_changelist")):  # fmt: skip
        assert "<script>alert(1)" not in as_operator.get(page).content.decode()


def test_the_trail_takes_a_permission_to_see(client: Client) -> None:
    client.force_login(make_user("clerk", is_staff=True))
    assert client.get(reverse("admin:thundergate_auditentry_changelist")).status_code == 403


def test_objects_link_to_their_changes(as_operator: Client) -> None:
    world, _ = make_world()
    page = as_operator.get(reverse("admin:zones_world_history", args=[world.pk])).content.decode()
    link = f"{reverse('admin:thundergate_auditentry_changelist')}?of=worlds&amp;q={world.pk}"
    assert link in page
    assert as_operator.get(link.replace("&amp;", "&")).context["cl"].result_count == 1


def test_the_list_asks_as_much_for_many(as_operator: Client, count_queries: Any) -> None:
    def cost() -> int:
        with count_queries() as statements:
            assert as_operator.get(reverse("admin:thundergate_auditentry_changelist")).status_code == 200
        return len(statements)

    make_world(name="a")
    cost()
    few = cost()
    for name in "bcdefghijk":
        make_world(name=name)
    assert cost() == few


def test_rest_is_named_as_the_door() -> None:
    wake_domains()
    api = Api(make_user("chief", operator=True))
    assert api.post("worlds", {"name": "Harbour"}).status_code == 201
    entry = latest()
    assert (entry.actor, entry.door, entry.address) == ("user:chief", "rest", "127.0.0.1")
    assert (entry.user_id, entry.key_id) == (api.user.pk, str(tokens.id_of(api.token or "")))


def test_mcp_is_named_as_the_door() -> None:
    wake_domains()
    world, _ = make_world(name="Harbour")
    World.objects.filter(pk=world.pk).update(status="running")
    token = tokens.issue(make_user("chief", operator=True), by="tests")
    who = access.identify(token, door="http", address="192.0.2.9")
    assert calls.run(who, "world_pause", {"world": "Harbour"}, lambda *_: None).done
    entry = latest()
    assert (entry.actor, entry.door, entry.address) == ("user:chief", "mcp", "192.0.2.9")
    assert (entry.key_id, entry.after, entry.request) == (
        str(tokens.id_of(token)),
        {"status": "paused"},
        "world_pause by http",
    )
