"""Somebody who publishes without rest, until it is killed: python -m tests.chaos.publishing WRITER"""

from __future__ import annotations

import random
import sys
import time

import django

STREAMS = 12
PAUSE_S = 0.03
"""Between two transactions: three writers make 350 events a second at most, on any machine. What is killed, and not how
much can be written, is the matter here; a subscriber that never catches up would never come to rest."""


def publish(writer: int) -> None:
    """A few events a transaction, one in ten of which is rolled back."""
    from django.db import OperationalError, connection, transaction

    from domains.thunderflow.actions import NewEvent, publish_many
    from tests.chaos.following import RARE, Noise, Rare

    def event(stream: int, number: int) -> NewEvent:
        payload = (Noise if number % RARE else Rare)(writer=writer, number=number)
        return NewEvent(f"chaos:{stream}", payload.topic, payload)

    chance, number = random.Random(writer), 0
    while True:
        streams = chance.choices(range(STREAMS), k=chance.randint(1, 6))
        try:
            with transaction.atomic():
                publish_many([event(stream, number + i) for i, stream in enumerate(streams)])
                if chance.random() < 0.1:
                    transaction.set_rollback(True)
        except OperationalError:
            connection.close()
            time.sleep(0.1)
            continue
        number += len(streams)
        time.sleep(PAUSE_S)


if __name__ == "__main__":
    django.setup()
    publish(int(sys.argv[1]))
