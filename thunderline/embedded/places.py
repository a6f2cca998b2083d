"""Which file of an installation lies where, and who owns it.

Sockets do not live in the var folder: its path can be longer than a socket's name may be, and as root the
servers run as somebody who may not enter it. They live in a folder of their own in /tmp, whose name follows
from the var folder."""

from __future__ import annotations

import os
import pwd
import stat
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Self

SOURCE = Path(__file__).resolve().parents[2]
TEMPORARY = Path("/tmp")  # noqa: S108 - not TMPDIR: every process must come to the same path; owners are checked


class EmbeddedError(Exception):
    """The system cannot start or attach. The message is one line that says what to do."""


@dataclass(frozen=True)
class Places:
    """Paths of one installation. `var` is absolute and free of links."""

    var: Path

    @classmethod
    def of(cls, var: Path) -> Self:
        return cls(var.resolve())

    @cached_property
    def owner(self) -> int:
        """User id that the installation belongs to: the owner of its var folder."""
        return self.var.stat().st_uid if self.var.exists() else os.geteuid()

    @cached_property
    def digest(self) -> str:
        return sha256(os.fsencode(self.var)).hexdigest()[:12]

    @property
    def run(self) -> Path:
        return self.var / "run"

    @property
    def log(self) -> Path:
        return self.var / "log"

    @property
    def postgres(self) -> Path:
        return self.var / "postgres"

    @property
    def runtime(self) -> Path:
        return TEMPORARY / f"thunderline-{self.owner}-{self.digest}"

    @property
    def sockets(self) -> Path:
        """Folder that only the servers' user (and root) can enter."""
        return self.runtime / "servers"

    @property
    def redis_socket(self) -> Path:
        return self.sockets / "redis"

    @property
    def supervisor_socket(self) -> Path:
        return self.runtime / "supervisor"

    @property
    def system_lock(self) -> Path:
        """Held by the whole running system; its text is the system's web address."""
        return self.run / "system.lock"

    def server_user(self) -> tuple[int, int]:
        """User and group id that the servers run as. PostgreSQL refuses to be root, so root hands them to the
        owner of the data, or of the var folder, or to `nobody`."""
        if os.geteuid() != 0:
            return os.geteuid(), os.getegid()
        for path in (self.postgres, self.var):
            if path.exists() and (found := path.stat()).st_uid != 0:
                return found.st_uid, found.st_gid
        nobody = pwd.getpwnam("nobody")
        return nobody.pw_uid, nobody.pw_gid

    def make(self) -> Self:
        """Create the folders that are missing. Raises: EmbeddedError if somebody else's are in the way."""
        try:
            self.var.mkdir(parents=True, exist_ok=True)
            if os.geteuid() not in (0, self.owner):
                name = _user_name(self.owner)
                raise EmbeddedError(f"{self.var} belongs to {name}: run this as {name}, or set THUNDERLINE_VAR_DIR.")
            for folder in (self.run, self.log):
                folder.mkdir(exist_ok=True)
                self.give(folder)
            split = os.geteuid() == 0
            make_private(self.runtime, self.owner, -1, 0o711 if split else 0o700)
            make_private(self.sockets, *self.server_user(), 0o700)
        except OSError as error:
            raise EmbeddedError(f"Cannot use {error.filename or self.var}: {error.strerror}.") from error
        return self

    def give(self, path: Path) -> None:
        """Hand a file that root made in the var folder of somebody else to its owner."""
        if os.geteuid() == 0 and path.stat().st_uid != self.owner:
            os.chown(path, self.owner, -1)


def make_private(path: Path, uid: int, gid: int, mode: int) -> None:
    """Create a folder in a place where others can write too, or make sure that the one there is ours.

    Raises: EmbeddedError if it is a link, another user's, or open to others.
    """
    try:
        path.mkdir(mode=0o700)
    except FileExistsError:
        pass
    else:
        path.chmod(mode)
        if os.geteuid() == 0:
            os.chown(path, uid, gid)
    found = path.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != uid or stat.S_IMODE(found.st_mode) & 0o066:
        raise EmbeddedError(f"{path} is not a private folder of {_user_name(uid)}: remove it and start again.")


def reachable(path: Path, uid: int) -> bool:
    """Whether that user may enter every folder down to `path`, and `path` itself (or run it, if it is a
    program)."""
    if os.geteuid() != 0:
        return True
    path = path.resolve()
    return all(_may_enter(place.stat(), uid) for place in (path, *path.parents))


def _may_enter(found: os.stat_result, uid: int) -> bool:
    return bool(found.st_mode & (stat.S_IXUSR if found.st_uid == uid else stat.S_IXOTH))


def _user_name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"
