"""Where every process keeps its share of the metrics, so that one scrape can tell of all of them.

prometheus_client writes `<type>_<pid>.db` files into the folder of `PROMETHEUS_MULTIPROC_DIR`, which must be set before
it is first imported: hence `settings` calls `prepare` before anything else. The file of a process that has ended
is added to one of pid 0, so that counters keep their sums and the folder does not grow. Imports nothing of Django.
"""

from __future__ import annotations

import fcntl
import os
import re
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
TIDY_ABOVE = 100
"""Files that a process finds at its start before it tidies up: a scrape does it too, but nobody may scrape."""
_FILE = re.compile(r"^(?P<kind>\w+?)_(?P<pid>\d+)\.db$")
_SUMMED = ("counter", "histogram", "summary")


def prepare(folder: Path) -> None:
    """Let this process count into `folder`, which is made."""
    folder.mkdir(parents=True, exist_ok=True)
    os.environ.setdefault(VARIABLE, str(folder))
    if sum(1 for _ in folder.glob("*.db")) > TIDY_ABOVE:
        tidy(folder)


def clear(folder: Path) -> None:
    """Forget all counts. Only while nothing else runs: at the start of everything."""
    with locked(folder):
        for path in folder.glob("*.db"):
            path.unlink(missing_ok=True)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """One process at a time reads or tidies the folder as a whole; counting goes on meanwhile."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def tidy(folder: Path) -> None:
    """Add up the files of processes that have ended, and drop their gauges."""
    with locked(folder):
        add_up(folder)


def add_up(folder: Path) -> None:
    """As `tidy`, for whoever holds the folder's lock."""
    dead: dict[str, list[Path]] = defaultdict(list)
    for path in folder.glob("*.db"):
        match = _FILE.match(path.name)
        if match and match["pid"] != "0" and not _lives(int(match["pid"])):
            dead[match["kind"]].append(path)
    for kind, paths in dead.items():
        if kind in _SUMMED:
            _merge(folder / f"{kind}_0.db", paths)
        for path in paths:
            path.unlink(missing_ok=True)


def _merge(total: Path, paths: list[Path]) -> None:
    """Write the sums beside the total and put them in its place, so that a kill leaves one or the other."""
    from prometheus_client.mmap_dict import MmapedDict

    sums: dict[str, float] = defaultdict(float)
    for path in [*([total] if total.exists() else []), *paths]:
        for key, value, _, _ in MmapedDict.read_all_values_from_file(str(path)):
            sums[key] += value
    draft = total.with_suffix(".draft")
    draft.unlink(missing_ok=True)
    written = MmapedDict(str(draft))
    for key, value in sums.items():
        written.write_value(key, value, 0.0)
    written.close()
    draft.replace(total)


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
