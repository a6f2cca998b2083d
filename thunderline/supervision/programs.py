"""What runs, and in which order.

Programs start by rising and stop by falling stage; a stage's programs stop together, and the next stage is
only asked once they are gone."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass

from thunderline.config import BASE_DIR, Config
from thunderline.embedded.server import Server

# In a container everything is root, and Celery's advice about that would be the first thing that people read.
CELERY = (sys.executable, "-W", "ignore:You're running the worker", "-m", "celery", "-q", "-A", "thunderline")
MANAGE = BASE_DIR / "manage.py"
WORKER = ("worker", "--purge", "--without-mingle", "--without-gossip", "--without-heartbeat", "-l", "WARNING")


@dataclass(frozen=True)
class Stage:
    """Programs that start and stop together."""

    name: str
    programs: Sequence[Program]
    autostart: bool = False


@dataclass(frozen=True)
class Program:
    """One supervised process. After `stop_signal` it has `stop_wait_s` to end, then it is killed with its
    children."""

    name: str
    argv: Sequence[str]
    stop_signal: str = "TERM"
    stop_wait_s: int = 20
    # One that ends sooner than this has failed to start, and waits a little longer each time before the next try.
    start_s: int = 5


def server_stages(servers: Sequence[Server]) -> list[Stage]:
    """The embedded servers, which start with the supervisor."""
    return [
        Stage(
            server.name,
            [
                Program(
                    server.name,
                    server.command("--with-parent"),
                    server.stop_signal.name.removeprefix("SIG"),
                    server.stop_wait_s,
                    start_s=1,
                )
            ],
            autostart=True,
        )
        for server in servers
    ]


def application_stages(config: Config, *, reload: bool = False) -> list[Stage]:
    """The application, which starts once the database is up to date."""
    heartbeat = Program("heartbeat", [*CELERY, *WORKER, "-Q", "heartbeat", "-c", "1", "-n", "heartbeat@%h"])
    upkeep = Program("upkeep", [*CELERY, *WORKER, "-Q", "upkeep", "-c", "1", "-n", "upkeep@%h"])
    web = [sys.executable, "-m", "daphne", "-v", "0", "-b", config.bind, "-p", str(config.port)]
    stages = [
        Stage(
            "workers",
            [
                heartbeat,
                upkeep,
                *_workers(config.workers),
                *_managed("reasoner", config.reasoners),
                *_managed("follow", config.followers),
                *_managed("outside", config.callers),
            ],
        ),
        Stage("web", [Program("web", [*web, "thunderline.asgi:application"])]),
        Stage("beat", [Program("beat", [*CELERY, "beat", "-l", "WARNING", "--pidfile="])]),
    ]
    if reload:
        stages.append(Stage("reload", [Program("reload", [sys.executable, "-m", "thunderline.supervision.reload"])]))
    return stages


def _managed(command: str, processes: int) -> list[Program]:
    """Processes of a management command. They give their leases back when they are stopped, which takes a moment."""
    return [
        Program(f"{command}-{n}", [sys.executable, str(MANAGE), command], stop_wait_s=10)
        for n in range(1, processes + 1)
    ]


def _workers(processes: int) -> list[Program]:
    """Two programs share the processes, so that while one starts again after a kill the other goes on."""
    shares = [share for share in (processes - processes // 2, processes // 2) if share]
    return [
        Program(f"worker-{n}", [*CELERY, *WORKER, "-Q", "work,ticks", "-c", str(share), "-n", f"worker-{n}@%h"])
        for n, share in enumerate(shares, 1)
    ]
