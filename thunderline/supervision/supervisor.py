"""Supervisord as a process, and what it can be asked through its socket."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from http.client import HTTPException
from typing import Any
from xmlrpc.client import Fault, ServerProxy

from supervisor.xmlrpc import Faults, SupervisorTransport

from thunderline.embedded.locks import FileLock
from thunderline.embedded.places import SOURCE, EmbeddedError, Places
from thunderline.supervision import configuration
from thunderline.supervision.programs import Stage

START_S = 20
# A running system stops within the sum of its stages' patience, and then some.
STOP_S = 180


def start(places: Places, stages: Sequence[Stage], lock: FileLock) -> subprocess.Popen[bytes]:
    """Run supervisord in a session of its own, out of reach of the terminal's Ctrl-C. It shares `lock`, so
    that the installation stays claimed as long as it lives. Returns once it answers. Raises:
    EmbeddedError."""
    conf = places.run / "supervisord.conf"
    conf.write_text(configuration.render(places, stages))
    with (places.log / "supervisord.out").open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "supervisor.supervisord", "-c", conf],
            cwd=places.var,
            env=environment(places),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            start_new_session=True,
            pass_fds=[lock.fd],
        )
    try:
        _await_answer(places, process)
    except BaseException:
        process.terminate()
        process.wait()
        raise
    return process


def environment(places: Places) -> dict[str, str]:
    """What all programs see. They find the source by it, since they start in another folder."""
    path = [str(SOURCE), str(SOURCE / "mcp"), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(path),
        "PYTHONUNBUFFERED": "1",
        "THUNDERLINE_VAR_DIR": str(places.var),
    }


def _await_answer(places: Places, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_S
    while not answers(places):
        if process.poll() is not None or time.monotonic() > deadline:
            raise EmbeddedError(f"The supervisor did not start: see {places.log / 'supervisord.out'}.")
        time.sleep(0.05)


def answers(places: Places) -> bool:
    try:
        ask(places, "getPID")
    except (OSError, HTTPException):
        return False
    return True


def ask(places: Places, method: str, *arguments: Any) -> Any:
    """Answer to one of supervisord's `supervisor.*` methods. Raises: OSError when it does not run."""
    transport = SupervisorTransport(None, None, serverurl=f"unix://{places.supervisor_socket}")
    with ServerProxy("http://supervisor", transport=transport) as server:
        return getattr(server.supervisor, method)(*arguments)


def start_stages(places: Places, names: Sequence[str]) -> None:
    """Start stages without waiting for each: one that fails is tried again."""
    for name in names:
        ask(places, "startProcessGroup", name, False)


def not_running(places: Places) -> list[str]:
    """Programs that have not, or not yet, started well."""
    return [each["name"] for each in ask(places, "getAllProcessInfo") if each["statename"] != "RUNNING"]


def restart_stages(places: Places, names: Sequence[str]) -> None:
    """Stop, in reverse order, and start again those stages that there are."""
    for name in reversed(names):
        ask(places, "stopProcessGroup", name)
    start_stages(places, names)


def shut_down(places: Places) -> None:
    """Ask it to stop everything in order, then itself. Asked twice, it does so once."""
    with contextlib.suppress(OSError, HTTPException):
        try:
            ask(places, "shutdown")
        except Fault as fault:
            if fault.faultCode != Faults.SHUTDOWN_STATE:
                raise
