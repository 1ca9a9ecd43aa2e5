"""Whether this machine has room for a stack."""

import shutil
import socket
from pathlib import Path

from local.failure import CannotRun

DISK_FREE_MIN = 300 * 1024**2  # bytes: a fresh Postgres cluster (60 MB), its WAL, and logs
MEMORY_FREE_MIN = 700 * 1024**2  # bytes: the whole stack with one call, measured as PSS


def require_room(folder: Path) -> None:
    """Raises CannotRun when disk or memory is too short to start."""
    disk = shutil.disk_usage(folder).free
    if disk < DISK_FREE_MIN:
        raise CannotRun(
            f"Only {_mb(disk)} MB of disk are free for {folder}, the stack needs "
            f"{_mb(DISK_FREE_MIN)}: make room, or set LOCAL_DATA_DIR to another disk."
        )
    memory = available_memory()
    if memory is not None and memory < MEMORY_FREE_MIN:
        raise CannotRun(
            f"Only {_mb(memory)} MB of memory are free, the stack needs {_mb(MEMORY_FREE_MIN)}: "
            "close other programs."
        )


def require_network() -> None:
    """Raises CannotRun where there is only the loopback interface: WebRTC engines ignore it."""
    if len(socket.if_nameindex()) == 1:
        raise CannotRun(
            "This machine has no network but loopback, and WebRTC engines find no address to call "
            "from: connect it to any network (a container: not with --network none)."
        )


def available_memory() -> int | None:
    """Bytes that can be used without swapping; None where the system does not tell."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return None
    kilobytes = next((line.split()[1] for line in lines if line.startswith("MemAvailable:")), None)
    limits = [int(kilobytes) * 1024] if kilobytes else []
    limits += _container_room()
    return min(limits, default=None)


def _container_room() -> list[int]:
    """What the limit of a container leaves (cgroup v2)."""
    group = Path("/sys/fs/cgroup")
    try:
        limit = (group / "memory.max").read_text().strip()
        used = int((group / "memory.current").read_text())
    except OSError:
        return []
    return [int(limit) - used] if limit.isdigit() else []


def _mb(size: int) -> int:
    return size // 1024**2
