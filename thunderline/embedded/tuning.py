"""PostgreSQL's settings for this machine. Its own defaults are made for one of twenty years ago.

An operator's lines in `var/postgres/postgresql.conf` override each of these.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

MB = 1024 * 1024

FIXED = {
    "max_connections": "200",
    "work_mem": "16MB",
    "checkpoint_timeout": "15min",
    "random_page_cost": "1.1",
    "jit": "off",
    "wal_init_zero": "off",  # new segments filled with zeros first take a tenth of what a burst of events may write
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] ",
    "log_checkpoints": "off",
}


def settings(data: Path) -> dict[str, str]:
    """Settings by name. Memory follows the machine's, the log of changes what is free on the disk of
    `data`."""
    memory_mb = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // MB
    free_mb = shutil.disk_usage(data).free // MB
    return {
        **FIXED,
        "shared_buffers": f"{_clamp(memory_mb // 8, 128, 2048)}MB",
        "effective_cache_size": f"{memory_mb // 2}MB",
        "maintenance_work_mem": f"{_clamp(memory_mb // 32, 64, 256)}MB",
        "max_wal_size": f"{_clamp(free_mb // 8, 256, 4096)}MB",
        "dynamic_shared_memory_type": _shared_memory(),
    }


def _clamp(value: int, least: int, most: int) -> int:
    return max(least, min(value, most))


def _shared_memory() -> str:
    """Containers often have 64 MB of /dev/shm, too little for a parallel query; files do then."""
    shm = Path("/dev/shm")  # noqa: S108 - only looked at
    return "posix" if shm.is_dir() and shutil.disk_usage(shm).total >= 256 * MB else "mmap"
