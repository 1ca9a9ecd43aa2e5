"""A child process must not outlive its parent, however the parent ends."""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def die_with_parent(parent_pid: int) -> None:
    """Ask the kernel to kill this process when its parent dies; exits when that has happened."""
    if sys.platform == "linux":
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
            raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")
    if is_orphan(parent_pid):  # it died before we asked
        os._exit(1)


def is_orphan(parent_pid: int) -> bool:
    """Elsewhere than on Linux, long-lived loops have to ask."""
    return os.getppid() != parent_pid
