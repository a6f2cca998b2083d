"""How many updates of agents by what people push are HOT, while their world lives.

python -m thunderline.embedded run --fast python -m tests.integration.agents.hot_inputs
"""

import json

import django


def main() -> None:
    from django.core.management import call_command

    from agents import inputs
    from agents.actions.inputs import Input, apply_inputs
    from tests.integration.agents.hot import updates
    from tests.integration.agents.living import live, make_world, people

    call_command("migrate", verbosity=0)
    world, (zone,) = make_world({"capacity": 200})
    crowd = people(zone, 150, interval=5)
    live(world, 10)
    before = updates()
    refused = 0
    for n in range(60):
        given = inputs.parse("agent_move", {"position": {"x": n, "y": n}})
        moves = [Input("agent_move", given, a.pk, None, f"agent:{a}", a.pk) for a in crowd[n % 3 :: 3]]
        refused += sum(isinstance(answer, Exception) for answer in apply_inputs(zone.pk, moves))
        live(world)
    total, hot = (now - then for now, then in zip(updates(), before, strict=True))
    print(json.dumps({"updates": total, "hot": hot, "refused": refused}))  # noqa: T201 - read by the test


if __name__ == "__main__":
    django.setup()
    main()
