"""The processes of the agent worker: which of them hold calls, and how to hurt them."""

import os
import signal
from pathlib import Path

from local.stack import Stack


def children_of(pid: int) -> list[int]:
    """Process ids of the direct children."""
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [int(child) for child in text.split()]


def media_processes(stack: Stack) -> list[int]:
    """Cells with a call in them: the processes of the group that have UDP sockets open."""
    return [pid for pid in children_of(stack.pid_of("agent")) if _udp_sockets(pid)]


def signal_group(stack: Stack, number: signal.Signals) -> None:
    """To the supervisor, the charger and every cell at once."""
    os.killpg(stack.pid_of("agent"), number)


def journals(stack: Stack) -> list[Path]:
    return sorted(Path(stack.layout.data / "journal").glob("*.journal"))


def _udp_sockets(pid: int) -> set[str]:
    inodes = set()
    for table in ("udp", "udp6"):
        lines = Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]
        inodes |= {line.split()[9] for line in lines}
    links = {str(fd.readlink()) for fd in _descriptors(pid)}
    return {inode for inode in inodes if f"socket:[{inode}]" in links}


def _descriptors(pid: int) -> list[Path]:
    return [fd for fd in Path(f"/proc/{pid}/fd").iterdir() if fd.is_symlink()]
