"""How many updates of agents are HOT while a world lives, from its first tick on.

python -m thunderline.embedded run --fast python -m tests.integration.agents.hot
"""

import json

import django


def updates() -> tuple[int, int]:
    """Updates of agents' rows so far, and how many of them were HOT."""
    from domains import sql

    sql.fetch_rows("SELECT pg_stat_force_next_flush()")
    found = sql.fetch_rows("SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables WHERE relname = 'pac_agents'")
    return found[0]


def main() -> None:
    from django.core.management import call_command

    from domains import sql
    from tests.integration.agents.living import live, make_world, people

    call_command("migrate", verbosity=0)
    world, zones = make_world({"capacity": 200}, {"capacity": 200})
    for n, zone in enumerate(zones):
        people(zone, 150, first=150 * n, goals=[{"name": "mend the bridge"}, {"name": "learn to whistle"}])
    before = updates()
    live(world, 40)
    total, hot = (now - then for now, then in zip(updates(), before, strict=True))
    # Whoever is spoken to between two ticks is updated once then, however much is said.
    told = sql.fetch_rows(
        "SELECT count(*) FROM (SELECT DISTINCT recipient_id, arrived_tick FROM agent_messages WHERE arrived_tick > 0) m"
    )
    print(json.dumps({"updates": total, "hot": hot, "mail": told[0][0]}))  # noqa: T201 - read by the test


if __name__ == "__main__":
    django.setup()
    main()
