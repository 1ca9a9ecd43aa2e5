"""
One program that a stack runs: started, found healthy, stopped, and never left behind.

Built on Popen and short polls instead of asyncio's subprocesses, so that a child belongs to no
event loop: the test session starts a stack in one loop and each test kills parts of it in another.
"""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from local.failure import CannotRun
from local.layout import ROOT
from shared.clock import SystemClock

POLL_S = 0.05  # between two looks at a child; also the resolution of start-up times
TAIL_LINES = 12  # of a dead child's log; enough for the cause, short enough to read
LEASH = ROOT / "local" / "leash.py"
_CLOCK = SystemClock()


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """What to run. `ready` is asked until it says yes; None means ready at once."""

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str] = field(repr=False)
    ready: Callable[[], Awaitable[bool]] | None = None
    start_timeout_s: float = 60
    stop_signal: signal.Signals = signal.SIGTERM
    stop_timeout_s: float = 5
    death_signal: signal.Signals = signal.SIGKILL  # what the kernel sends when we die
    unprivileged: bool = False  # give up root first
    advice: str = ""  # what to do when it cannot start


class Child:
    """A running or stopped `Program` with its log file."""

    def __init__(self, program: Program, *, logs: Path) -> None:
        self.program = program
        self.log_path = logs / f"{program.name}.log"
        self.process: subprocess.Popen[bytes] | None = None
        self._group_gone = True

    @property
    def pid(self) -> int | None:
        """The process id while it runs."""
        return self.process.pid if self.process and self.process.poll() is None else None

    @property
    def exit_code(self) -> int | None:
        return self.process.poll() if self.process else None

    def start(self) -> None:
        """Call from the main thread: the kernel ties the child to the thread that forks it."""
        program = self.program
        leash = [sys.executable, "-I", "-S", str(LEASH), str(int(program.death_signal))]
        leash.append(str(os.getpid()))
        if program.unprivileged and os.geteuid() == 0:
            leash.append("--unprivileged")
        with self.log_path.open("ab") as log:
            self.process = subprocess.Popen(
                [*leash, *program.command],
                cwd=ROOT,
                env=dict(program.environment),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C is for us; we stop the children in order
            )
        self._group_gone = False

    async def wait_ready(self) -> None:
        """Raises CannotRun when the program ends before, or is not ready in its time."""
        deadline = _CLOCK.monotonic() + self.program.start_timeout_s
        while not await self.is_ready():
            if self.exit_code is not None:
                raise CannotRun(self._epitaph(f"ended while starting ({self.how_it_ended()})"))
            if _CLOCK.monotonic() > deadline:
                raise CannotRun(
                    self._epitaph(f"was not ready after {self.program.start_timeout_s:g} s")
                )
            await asyncio.sleep(POLL_S)

    async def is_ready(self) -> bool:
        if self.pid is None:
            return False
        return self.program.ready is None or await self.program.ready()

    async def wait_end(self, timeout_s: float) -> int | None:
        """The exit code, or None when it still runs after the time."""
        deadline = _CLOCK.monotonic() + timeout_s
        while self.exit_code is None and _CLOCK.monotonic() < deadline:
            await asyncio.sleep(POLL_S)
        return self.exit_code

    async def run_to_end(self) -> None:
        """For a program that does one thing. Raises CannotRun unless it ends with 0."""
        self.start()
        try:
            code = await self.wait_end(self.program.start_timeout_s)
        finally:  # also when we are cancelled
            self.kill_group()
        if code != 0:
            ending = "took too long" if code is None else self.how_it_ended()
            raise CannotRun(self._epitaph(f"failed ({ending})"))

    async def stop(self) -> None:
        """Ask, wait, then kill the whole process group."""
        if self.pid is not None:
            self.signal(self.program.stop_signal)
            await self.wait_end(self.program.stop_timeout_s)
        self.kill_group()
        await self.wait_end(timeout_s=5)

    def signal(self, number: signal.Signals) -> None:
        """To the program alone, not to the processes it started."""
        if self.process is not None:
            self.process.send_signal(number)

    def kill_group(self) -> None:
        """SIGKILL for the program and all it started that stayed in its group."""
        if self.process is None or self._group_gone:
            return  # by now the number may belong to somebody else
        self._group_gone = self.exit_code is not None
        with contextlib.suppress(ProcessLookupError, PermissionError):  # nobody left, or zombies
            os.killpg(self.process.pid, signal.SIGKILL)

    def how_it_ended(self) -> str:
        code = self.exit_code
        if code is not None and code < 0:
            return f"killed by {signal.Signals(-code).name}"
        return f"exit code {code}"

    def _epitaph(self, what: str) -> str:
        lines = tail(self.log_path)
        shown = "\n".join(f"    {line}" for line in lines)
        advice = f" {self.program.advice}" if self.program.advice else ""
        return f"{self.program.name} {what}.{advice} Its log {self.log_path} ends with:\n{shown}"


def tail(path: Path, count: int = TAIL_LINES) -> list[str]:
    """The last lines of a log; none when there is no log."""
    try:
        with path.open(errors="replace") as log:
            return [line.rstrip()[:400] for line in deque(log, maxlen=count)]
    except OSError:
        return []
