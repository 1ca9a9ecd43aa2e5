"""
What one audio worker may take, so that a hostile recording costs one process and some seconds.

The worker sets these on itself; the kernel holds them even when the server is gone.
"""

import math
import resource
from dataclasses import dataclass
from typing import Final

OPEN_FILES_MAX: Final = 16  # three pipes; nothing else is ever opened
MIB: Final = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerLimits:
    """
    `wall_s` is kept by the server: a stopped or starved worker cannot keep it by itself.

    The longest task there can honestly be, half an hour of Opus to encode, takes 20 s of CPU.
    """

    memory_mb: int = 768  # of address space: 250 are taken after the imports
    cpu_s: int = 40
    wall_s: float = 120.0


def limit_process(memory_mb: int) -> None:
    """For the rest of this process's life: memory, no files, no core dump of foreign bytes."""
    resource.setrlimit(resource.RLIMIT_AS, (memory_mb * MIB, memory_mb * MIB))
    resource.setrlimit(resource.RLIMIT_NOFILE, (OPEN_FILES_MAX, OPEN_FILES_MAX))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def limit_task(cpu_s: int) -> None:
    """From now: SIGXCPU ends the process when it has computed for `cpu_s` more."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    until_s = math.ceil(used.ru_utime + used.ru_stime) + cpu_s
    resource.setrlimit(resource.RLIMIT_CPU, (until_s, resource.RLIM_INFINITY))
