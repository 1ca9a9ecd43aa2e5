"""
The root of a worker group: forks the cells that hold calls and the charger, and watches them.

It is single-threaded and has no event loop, so forking again after a crash is safe at any time. It
never touches the media library: everything heavy is imported once, before the first fork, and the
children share that memory. All of them die with it (`leash`), and what then was running is closed
from the journal by the next worker on this machine.

SIGTERM or SIGINT: take no new calls, let the running ones finish for AGENT_DRAIN_S. A second one
ends them at once with `worker_shutdown`.
"""

import functools
import gc
import os
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from types import FrameType

from agent.journal import Journal, Mode
from agent.leash import die_with_parent
from agent.settings import AgentSettings
from shared.clock import Clock
from shared.log import get_logger

log = get_logger(__name__)

LOOP_S = 0.05
RESTART_AFTER_S = 0.1  # a crashed cell comes back at once,
RESTART_MAX_S = 30.0  # but one that cannot live does not burn the machine
HEALTHY_AFTER_S = 10.0  # a child that lived this long did not fail to start
FATAL_FAILURES = 4  # starts in a row without a healthy child: wrong configuration, not bad luck
ENDING_MAX_S = 15.0  # how long cells may take to end their calls when told to
DELIVERY_MAX_S = 20.0  # how long the charger may then take; what remains is in the journal
EXIT_FATAL = 1


class Role(StrEnum):
    CELL = "cell"
    CHARGER = "charger"


@dataclass(slots=True)
class Child:
    """One forked process, or the wish to have it again at `start_at_s`."""

    role: Role
    number: int
    main: Callable[[], None]
    pid: int = 0
    started_s: float = 0.0
    start_at_s: float = 0.0
    failures: int = 0
    is_done: bool = False


@dataclass(slots=True)
class Supervisor:
    settings: AgentSettings
    journal: Journal
    clock: Clock
    cell_main: Callable[[int], None]
    charger_main: Callable[[], None]
    _children: list[Child] = field(default_factory=list)
    _stops_asked: int = 0

    def run(self) -> int:
        """Returns the exit code once the group has ended."""
        self._children = [Child(Role.CHARGER, 0, self.charger_main)] + [
            Child(Role.CELL, cell, functools.partial(self.cell_main, cell))
            for cell in range(self.journal.cells)
        ]
        signal.signal(signal.SIGTERM, self._on_stop)
        signal.signal(signal.SIGINT, self._on_stop)
        # Collected and frozen, the shared memory stays shared: no child's collector touches it.
        gc.collect()
        gc.freeze()
        try:
            return self._watch()
        finally:
            self._kill_all()

    def _on_stop(self, _signal: int, _frame: FrameType | None) -> None:
        self._stops_asked += 1

    def _watch(self) -> int:
        drain_until_s = end_until_s = deliver_until_s = float("inf")
        while True:
            now_s = self.clock.monotonic()
            self._reap(now_s)
            if any(child.failures >= FATAL_FAILURES for child in self._children):
                log.error("worker_cannot_start")
                return EXIT_FATAL
            if self._stops_asked and self.journal.mode is Mode.SERVING:
                self.journal.set_mode(Mode.DRAINING)
                drain_until_s = now_s + self.settings.agent_drain_s
            if self.journal.mode is Mode.DRAINING and (
                self._stops_asked > 1 or now_s >= drain_until_s
            ):
                self.journal.set_mode(Mode.ENDING)
                end_until_s = now_s + ENDING_MAX_S
            if now_s >= end_until_s:
                self._kill(Role.CELL)
            if self._is_over(Role.CELL):
                deliver_until_s = min(deliver_until_s, now_s + DELIVERY_MAX_S)
                if self._is_delivered() or now_s >= deliver_until_s:
                    return 0
            self._start_missing(now_s)
            time.sleep(LOOP_S)

    def _start_missing(self, now_s: float) -> None:
        for child in self._children:
            if child.pid or child.is_done or now_s < child.start_at_s:
                continue
            if child.role is Role.CELL and self.journal.mode is not Mode.SERVING:
                child.is_done = True
                continue
            child.started_s = now_s
            child.pid = self._fork(child)

    def _fork(self, child: Child) -> int:
        sys.stdout.flush()
        sys.stderr.flush()
        parent = os.getpid()
        pid = os.fork()
        if pid:
            return pid
        try:
            # The group's leader decides when a call ends: a signal to the whole group must not.
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            die_with_parent(parent)
            child.main()
        except BaseException:
            log.exception("child_failed", kind=child.role.value, pid=os.getpid())
            os._exit(EXIT_FATAL)
        os._exit(0)

    def _reap(self, now_s: float) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if not pid:
                return
            for child in self._children:
                if child.pid == pid:
                    self._on_exit(child, os.waitstatus_to_exitcode(status), now_s)

    def _on_exit(self, child: Child, code: int, now_s: float) -> None:
        child.pid = 0
        if child.role is Role.CELL:
            self.journal.bury(child.number)  # first: its calls are closed while it comes back
        if self.journal.mode is not Mode.SERVING and child.role is Role.CELL:
            child.is_done = True
            return
        if code == 0:  # a cell that had held many calls asks to be renewed
            log.info("child_renewed", kind=child.role.value)
            child.failures, child.start_at_s = 0, now_s
            return
        was_healthy = now_s - child.started_s >= HEALTHY_AFTER_S
        child.failures = 0 if was_healthy else child.failures + 1
        delay_s = min(RESTART_AFTER_S * 3**child.failures, RESTART_MAX_S)
        child.start_at_s = now_s + delay_s
        log.error("child_died", kind=child.role.value, exit_code=code, retry_after_s=delay_s)

    def _is_over(self, role: Role) -> bool:
        return all(child.is_done for child in self._children if child.role is role)

    def _is_delivered(self) -> bool:
        return all(self.journal.is_settled(slot) for slot in self.journal.slots)

    def _kill(self, role: Role) -> None:
        for child in self._children:
            if child.role is role and child.pid:
                os.kill(child.pid, signal.SIGKILL)

    def _kill_all(self) -> None:
        """Also after an exception: no child may outlive the watch over it."""
        for child in self._children:
            if child.pid:
                os.kill(child.pid, signal.SIGKILL)
                os.waitpid(child.pid, 0)
                child.pid = 0
