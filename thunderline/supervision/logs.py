"""The programs' log files as one stream of lines."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO


class Follower:
    """New lines of several files, from now on. A file that is rotated is read to its end first."""

    def __init__(self, files: Iterable[Path]) -> None:
        self.files = list(files)
        self.open: dict[Path, BinaryIO] = {}
        self.rest: dict[Path, bytes] = {}
        for path in self.files:
            if path.exists():
                self.open[path] = path.open("rb")
                self.open[path].seek(0, os.SEEK_END)

    def lines(self) -> Iterator[tuple[str, str]]:
        """Pairs of program and line since the last call, complete lines only."""
        for path in self.files:
            for line in self._read(path):
                yield path.stem, line.decode(errors="replace")

    def close(self) -> None:
        for file in self.open.values():
            file.close()

    def _read(self, path: Path) -> Iterator[bytes]:
        while True:
            if path not in self.open:
                if not path.exists():
                    return
                self.open[path] = path.open("rb")
            file = self.open[path]
            rotated = self._rotated(path, file)
            *lines, self.rest[path] = (self.rest.get(path, b"") + file.read()).split(b"\n")
            yield from lines
            if not rotated:
                return
            self.open.pop(path).close()

    @staticmethod
    def _rotated(path: Path, file: BinaryIO) -> bool:
        """Asked before reading: what is written to the old file after its rename is still read."""
        try:
            return not os.path.samestat(path.stat(), os.fstat(file.fileno()))
        except FileNotFoundError:
            return False
