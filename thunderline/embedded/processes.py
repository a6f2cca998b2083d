"""Processes of our own: find them by what they are, end them, and let them end with their parent."""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import sys
import time
from collections.abc import Iterable

import psutil

PR_SET_PDEATHSIG = 1
OPEN_FILES = 65_536


def alive(process: psutil.Process) -> bool:
    """False for a zombie too: it only waits for its parent."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def stop(processes: Iterable[psutil.Process], sign: signal.Signals, wait_s: float) -> None:
    """Ask each to end, wait, then kill what is left. A pid that was given to another process is never
    signalled."""
    left = [process for process in processes if alive(process)]
    for each, patience_s in ((sign, wait_s), (signal.SIGKILL, 10.0)):
        for process in left:
            try:
                process.send_signal(each)
            except psutil.NoSuchProcess:
                continue
        left = wait(left, patience_s)


def wait(left: list[psutil.Process], seconds: float) -> list[psutil.Process]:
    """Those that are still alive after so many seconds. (psutil's own waits for zombies to be buried.)"""
    deadline = time.monotonic() + seconds
    while (left := [process for process in left if alive(process)]) and time.monotonic() < deadline:
        time.sleep(0.02)
    return left


def die_with_parent(sign: signal.Signals = signal.SIGKILL) -> None:
    """Have the kernel signal this process when its parent ends, however it ends. Linux only; elsewhere it
    does nothing.

    Without it the children of a process that was killed go on beside those of its successor."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, int(sign), 0, 0, 0)


def fresh_start() -> None:
    """Undo what a shell, `nohup` or a parent left: ignored and blocked signals, a low limit of open files."""
    for sign in (
        signal.SIGINT,
        signal.SIGTERM,
        signal.SIGHUP,
        signal.SIGQUIT,
        signal.SIGPIPE,
        signal.SIGCHLD,
    ):
        signal.signal(sign, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = OPEN_FILES if hard == resource.RLIM_INFINITY else min(OPEN_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def drop_to(uid: int, gid: int) -> None:
    """Stop being root, for good."""
    if os.geteuid() == 0:
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)
