"""Whether a process is still there, on this machine or on another that shares the folder."""

from __future__ import annotations

import os
import platform
from functools import cache
from pathlib import Path
from typing import NamedTuple


class Process(NamedTuple):
    """A process, told apart from any other that ever has its number."""

    host: str
    machine: str
    """The host, since when it is up, and which numbers of processes are meant (a container has its own)."""
    pid: int
    started: str
    """In the machine's own count; empty where the system does not say."""


def this_process() -> Process:
    """The process that asks."""
    return Process(platform.node(), _machine(), os.getpid(), _started(os.getpid()) or "")


def runs_here(process: Process) -> bool | None:
    """Whether a process of this machine is running; None for one of another machine, of which this cannot tell."""
    if process.machine != _machine():
        return None
    return _started(process.pid) == process.started


@cache
def _machine() -> str:
    return " ".join([platform.node(), _read("/proc/sys/kernel/random/boot_id"), _link("/proc/self/ns/pid")])


def _started(pid: int) -> str | None:
    """When a process was started, None if there is none (or only what a parent has not buried yet)."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return None
    except PermissionError:
        pass  # somebody else's: it is there
    # The name, in parentheses, may hold anything.
    fields = _read(f"/proc/{pid}/stat").rpartition(")")[2].split()
    if fields and fields[0] in "ZX":
        return None
    return fields[19] if fields else ""


def _read(path: str) -> str:
    try:
        return Path(path).read_text().strip()
    except OSError:
        return ""


def _link(path: str) -> str:
    try:
        return os.readlink(path)
    except OSError:
        return ""
