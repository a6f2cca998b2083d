"""The configuration that supervisord reads. Written anew at each start; nobody edits it."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Sequence

from thunderline.embedded.places import Places
from thunderline.supervision.programs import Program, Stage

LOG_BYTES = "10MB"
LOG_BACKUPS = 3
# Supervisord waits one second longer after each failed start in a row; it never gives up.
RETRIES = 1_000_000

Section = dict[str, str | int]


def render(places: Places, stages: Sequence[Stage]) -> str:
    """The whole file."""
    sections: dict[str, Section] = {
        "supervisord": _supervisord(places),
        "unix_http_server": {"file": str(places.supervisor_socket), "chmod": "0700"},
        "rpcinterface:supervisor": {
            "supervisor.rpcinterface_factory": "supervisor.rpcinterface:make_main_rpcinterface"
        },
    }
    for priority, stage in enumerate(stages, start=1):
        names = ",".join(program.name for program in stage.programs)
        sections[f"group:{stage.name}"] = {"programs": names, "priority": priority}
        for program in stage.programs:
            sections[f"program:{program.name}"] = _program(program, autostart=stage.autostart)
    return "\n".join(_section(name, values) for name, values in sections.items())


def _supervisord(places: Places) -> Section:
    root: Section = {"user": "root"} if os.geteuid() == 0 else {}
    return {
        "nodaemon": "true",
        "silent": "true",
        "pidfile": str(places.run / "supervisord.pid"),
        "logfile": str(places.log / "supervisord.log"),
        "logfile_maxbytes": LOG_BYTES,
        "logfile_backups": LOG_BACKUPS,
        **root,
    }


def _program(program: Program, *, autostart: bool) -> Section:
    return {
        "command": shlex.join(
            [sys.executable, "-m", "thunderline.supervision.child", program.stop_signal, *program.argv]
        ),
        "autostart": str(autostart).lower(),
        "autorestart": "true",
        "startsecs": program.start_s,
        "startretries": RETRIES,
        "stopsignal": program.stop_signal,
        "stopwaitsecs": program.stop_wait_s,
        # The parent ends its children itself, in order; only when it does not are all of them killed.
        "stopasgroup": "false",
        "killasgroup": "true",
        "redirect_stderr": "true",
        # Relative to the var folder, where supervisord starts: it expands this value twice, so no `%` would
        # survive.
        "stdout_logfile": f"log/{program.name}.log",
        "stdout_logfile_maxbytes": LOG_BYTES,
        "stdout_logfile_backups": LOG_BACKUPS,
    }


def _section(name: str, values: Section) -> str:
    """`%` starts an expansion in supervisord's files, so a literal one is doubled."""
    lines = (f"{key}={str(value).replace('%', '%%')}\n" for key, value in values.items())
    return f"[{name}]\n{''.join(lines)}"
