"""One audio worker as the server sees it."""

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import Final

from control_plane.audio import wire
from control_plane.audio.limits import WorkerLimits
from control_plane.audio.wire import Header
from control_plane.audio.worker import EXIT_NO_MEMORY

ROOT: Final = Path(__file__).resolve().parents[2]
PIPE_BUFFER_BYTES: Final = 1024 * 1024  # of an answer, before the worker has to wait for us
MODULE: Final = "control_plane.audio.worker"
# Ends that the task brought about: too much memory or CPU, or a decoder that crashed over it.
OWN_FAULTS: Final = frozenset(
    {
        EXIT_NO_MEMORY,
        -signal.SIGXCPU,
        -signal.SIGSEGV,
        -signal.SIGABRT,
        -signal.SIGFPE,
        -signal.SIGBUS,
        -signal.SIGILL,
    }
)


class WorkerLost(Exception):
    """The worker died over its task; `exit_code` is negative for a signal, None if not known."""

    def __init__(self, exit_code: int | None) -> None:
        super().__init__()
        self.exit_code = exit_code

    @property
    def is_own_fault(self) -> bool:
        """Whether the same task would end the next worker too."""
        return self.exit_code in OWN_FAULTS


class WorkerProcess:
    """Does one task at a time. After any exception from `ask` it must be killed."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdin, "a pipe"
        assert process.stdout, "a pipe"
        self._process = process
        self._stdin = process.stdin
        self._stdout = process.stdout
        self.tasks_done = 0

    @classmethod
    async def start(cls, limits: WorkerLimits) -> "WorkerProcess":
        """Returns before the process has loaded anything."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            MODULE,
            str(limits.memory_mb),
            str(limits.cpu_s),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            limit=PIPE_BUFFER_BYTES,
            cwd=ROOT,
            env=_environment(),
            start_new_session=True,  # Ctrl-C is for the server, which ends its workers itself
        )
        return cls(process)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        return self._process.returncode is None and not self._stdout.at_eof()

    async def ask(self, task: Header, payload: bytes) -> tuple[Header, bytes]:
        """Raises WorkerLost."""
        try:
            self._stdin.write(wire.preamble(task, len(payload)))
            self._stdin.write(payload)
            await self._stdin.drain()
            first = await self._stdout.readexactly(wire.LENGTHS.size)
            header_bytes, payload_bytes = wire.lengths_in(first)
            header = wire.header_in(await self._stdout.readexactly(header_bytes))
            answer = await self._stdout.readexactly(payload_bytes)
        except (EOFError, OSError):
            raise WorkerLost(await self.ended()) from None
        except wire.BrokenMessage:
            raise WorkerLost(None) from None
        self.tasks_done += 1
        return header, answer

    async def ended(self) -> int:
        """The exit code of a process that is about to end."""
        return await self._process.wait()

    def kill(self) -> None:
        self._stdin.close()
        if self._process.returncode is None:
            try:
                self._process.kill()
            except ProcessLookupError:  # it has ended and we have not heard of it yet
                return


def _environment() -> dict[str, str]:
    """No credentials, and no threads that count as memory."""
    kept = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH") if name in os.environ}
    return {**kept, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
