"""A worker process for tests: ticks one world until its clock stands at its target.

python -m tests.integration.agents.worker WORLD_ID STINT_S PAUSE_S
"""

import random
import sys
import time
from uuid import UUID

import django


def main(world_id: UUID, stint_s: float, pause_s: float) -> None:
    from agents.engine import loop
    from zones.actions import clock

    print("ready", flush=True)  # noqa: T201
    while clock.anything_to_do(world_id):
        loop.run(seconds=stint_s, world_id=world_id)
        time.sleep(random.uniform(0, pause_s))  # chance that must make no difference


if __name__ == "__main__":
    django.setup()
    main(UUID(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3]))
