"""The supervisor itself is killed."""

import os
import signal

import psutil

from tests.installation import PROGRAMS, Installation, eventually, installation
from thunderline.supervision import supervisor

__all__ = ["installation"]


def test_a_killed_supervisor_is_replaced_and_leaves_nobody_behind(installation: Installation) -> None:
    installation.start()
    eventually(lambda: len(installation.pids()) == PROGRAMS)
    before = installation.pids()
    old = supervisor.ask(installation.places, "getPID")
    os.kill(old, signal.SIGKILL)
    eventually(lambda: supervisor.answers(installation.places))
    eventually(lambda: len(installation.pids()) == PROGRAMS)
    eventually(installation.answers)
    eventually(lambda: not [pid for pid in before.values() if psutil.pid_exists(pid)])

    # What `up` leaves when it is killed itself goes on, and `down` ends it.
    assert installation.up
    installation.up.kill()
    installation.up.communicate()
    assert installation.answers()
    assert "runs already" in installation.manage("up").stderr
    assert "Stopped what ran" in installation.manage("down").stdout
    assert "does not run" in installation.manage("down").stdout
    assert installation.processes() == []

    # The next start goes on from what was there.
    assert "a new password: manage.py operator" in installation.start()
    assert "Traceback" not in installation.end(signal.SIGTERM)
    assert installation.processes() == []
