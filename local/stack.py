"""
The whole system on one machine: started in the order of need, watched, stopped without a rest.

    async with Stack.start(data_dir=Path(".local"), ports=free_ports()) as stack:
        stack.control_plane_url, stack.env["DATABASE_URL"], stack.pid_of("agent")
"""

import asyncio
import os
import signal
from collections import deque
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path

from local.child import Child
from local.components import STOP_STAGES, Blueprint, Component, agent_capacity
from local.environment import External, stack_environment, told
from local.failure import CannotRun
from local.file_lock import Held, held
from local.layout import Layout
from local.machine import require_room
from local.ports import Ports, free_ports, require_free
from local.stack_file import write_stack_file
from shared.clock import SystemClock

WATCH_S = 0.25  # between two looks at the children
RESTARTS_MAX = 5  # of one process within RESTART_WINDOW_S; after that it will not help
RESTART_WINDOW_S = 60
WORKER_FORGOTTEN_S = 7  # the control plane counts a worker for 6 s after its last report
_CLOCK = SystemClock()


def say_nothing(_line: str) -> None:
    """For those who want no progress."""


class Stack:
    """A running stack. Belongs to no event loop; call it from the main thread."""

    def __init__(self, blueprint: Blueprint, components: list[Component]) -> None:
        self.layout = blueprint.layout
        self.ports = blueprint.ports
        self.env = told(blueprint.environment)
        self._blueprint = blueprint
        self._components = components
        self._children: dict[str, Child] = {}
        self._wanted: set[str] = set()  # processes that should be running now
        self._deaths: dict[str, deque[float]] = {}

    @classmethod
    @asynccontextmanager
    async def start(
        cls,
        *,
        data_dir: Path,
        ports: Ports | None = None,
        environment: Mapping[str, str] | None = None,
        durable: bool = True,
        only: Collection[str] | None = None,
        log: Callable[[str], None] = say_nothing,
    ) -> AsyncIterator["Stack"]:
        """
        Start, and stop at the end of the block; raises CannotRun, and leaves nothing behind.

        `environment` may point at servers of somebody else (see `External`); `durable=False` lets
        Postgres skip the disk; `only` starts these components and nothing they would need.
        """
        base = os.environ if environment is None else environment
        external, layout = External.of(base), Layout.of(data_dir)
        layout.create()
        require_room(layout.data)
        with ExitStack() as stack:
            _lock(stack, layout)
            ports = ports or free_ports()
            blueprint = Blueprint(
                layout=layout,
                ports=ports,
                external=external,
                environment=stack_environment(base, layout=layout, ports=ports, external=external),
                durable=durable,
                log=log,
            )
            components = [c for c in blueprint.components() if only is None or c.name in only]
            running = cls(blueprint, components)
            try:
                await running._start_all()
                yield running
            finally:
                await running._stop_all()

    @property
    def control_plane_url(self) -> str:
        return self.env["CONTROL_PLANE_URL"]

    @property
    def database_url(self) -> str:
        return self.env["DATABASE_URL"]

    @property
    def urls(self) -> dict[str, str]:
        """Where each server listens."""
        return {name: value for name, value in self.env.items() if name.endswith("_URL")}

    @property
    def pids(self) -> dict[str, int]:
        """Process ids of what runs at this moment."""
        return {name: child.pid for name, child in self._children.items() if child.pid is not None}

    def pid_of(self, name: str) -> int:
        """Raises KeyError when it does not run."""
        return self.pids[name]

    def log_of(self, name: str) -> Path:
        return self._children[name].log_path

    def kill(self, name: str, number: signal.Signals = signal.SIGKILL) -> None:
        """Send a signal to one process and expect it gone; `watch` does not bring it back."""
        self._wanted.discard(name)
        self._children[name].signal(number)

    async def stop_process(self, name: str) -> None:
        """An orderly stop of one process, and of all it started."""
        self._wanted.discard(name)
        await self._children[name].stop()

    async def start_process(self, name: str) -> None:
        """Start a stopped process again and wait until it is ready. Raises CannotRun."""
        child = self._children[name]
        await child.stop()  # what a killed process left in its group
        workers_before = (await agent_capacity(self.control_plane_url)).workers
        child.start()
        self._wanted.add(name)
        if name == "agent":
            await self._await_new_worker(workers_before)
        await child.wait_ready()
        self._write_file()

    async def _await_new_worker(self, workers_before: int) -> None:
        """A dead worker counts until it is forgotten, and must not be taken for the new one."""
        deadline = _CLOCK.monotonic() + WORKER_FORGOTTEN_S
        while _CLOCK.monotonic() < deadline:
            if (await agent_capacity(self.control_plane_url)).workers > workers_before:
                return
            await asyncio.sleep(WATCH_S)

    async def wait_ready(self, name: str) -> None:
        """Raises CannotRun when the process ends instead."""
        await self._children[name].wait_ready()

    async def watch(self, report: Callable[[str], None]) -> None:
        """
        Bring dead processes back until cancelled.

        Raises CannotRun when one dies more than RESTARTS_MAX times in RESTART_WINDOW_S.
        """
        while True:
            await asyncio.sleep(WATCH_S)
            for name in sorted(self._wanted):
                child = self._children[name]
                if child.exit_code is not None:
                    self._count_death(name)
                    child.kill_group()
                    report(f"{name} ended ({child.how_it_ended()}); starting it again.")
                    child.start()
                    self._write_file()

    def _count_death(self, name: str) -> None:
        now = _CLOCK.monotonic()
        deaths = self._deaths.setdefault(name, deque(maxlen=RESTARTS_MAX + 1))
        deaths.append(now)
        if len(deaths) > RESTARTS_MAX and now - deaths[0] < RESTART_WINDOW_S:
            raise CannotRun(
                f"{name} ended {RESTARTS_MAX + 1} times within a minute: see "
                f"{self._children[name].log_path}."
            )

    async def _start_all(self) -> None:
        require_free(self.ports, [port for c in self._components for port in c.ports])
        ready = {component.name: asyncio.Event() for component in self._components}
        try:
            async with asyncio.TaskGroup() as group:
                for component in self._components:
                    group.create_task(self._start_one(component, ready))
        except* CannotRun as several:
            raise _first(several) from None
        for child in self._children.values():
            if child.program.name in self._wanted:
                await child.wait_ready()  # none of them died while the others were starting
        self._write_file()

    async def _start_one(self, component: Component, ready: Mapping[str, asyncio.Event]) -> None:
        for need in component.needs:
            if need in ready:
                await ready[need].wait()
        began = _CLOCK.monotonic()
        child = Child(await component.program(), logs=self.layout.logs)
        child.log_path.unlink(missing_ok=True)
        self._children[component.name] = child
        if component.once:
            await child.run_to_end()
        else:
            child.start()
            self._wanted.add(component.name)
            await child.wait_ready()
        self._blueprint.log(f"{component.name:8} ready in {_CLOCK.monotonic() - began:.1f} s")
        ready[component.name].set()

    async def _stop_all(self) -> None:
        self._wanted.clear()
        self.layout.stack_file.unlink(missing_ok=True)
        staged = {name for stage in STOP_STAGES for name in stage}
        stages = [*STOP_STAGES, tuple(self._children.keys() - staged)]
        try:
            for stage in stages:
                children = [self._children[name] for name in stage if name in self._children]
                await asyncio.gather(*(child.stop() for child in children))
        finally:  # a second Ctrl-C does not wait for anybody
            for child in self._children.values():
                child.kill_group()

    def _write_file(self) -> None:
        write_stack_file(self.layout, environment=self.env, pids=self.pids)


def _lock(stack: ExitStack, layout: Layout) -> None:
    try:
        stack.enter_context(held(layout.lock_file))
    except Held as other:
        raise CannotRun(
            f"A stack already runs with the data folder {layout.data} (process {other.pid}): stop "
            f"it with `make down`, or set LOCAL_DATA_DIR and LOCAL_PORT_BASE to run another."
        ) from None


def _first(several: BaseExceptionGroup[CannotRun]) -> CannotRun:
    """One cause is enough to read; the others mostly follow from it."""
    cause: BaseException = several
    while isinstance(cause, BaseExceptionGroup):
        cause = cause.exceptions[0]
    assert isinstance(cause, CannotRun)
    return cause
