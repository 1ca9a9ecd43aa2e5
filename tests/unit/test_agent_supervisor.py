"""The root of a worker group, with children that do nothing but live and die."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from pydantic import SecretStr

from agent.journal import Journal, Mode
from agent.settings import AgentSettings
from agent.supervisor import EXIT_FATAL, FATAL_FAILURES, Supervisor
from shared.clock import SystemClock

DEADLINE_S = 20.0
Main = Callable[[int], None]


def until(condition: Callable[[], object]) -> None:
    end_s = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < end_s, "the condition never came true"
        time.sleep(0.01)


def is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


@dataclass
class Group:
    """A supervisor in a process of its own; its children leave a file with their process id."""

    folder: Path
    journal: Journal
    pid: int = 0

    def start(self, cell_main: Main, *, drain_s: int = 60) -> None:
        self.pid = os.fork()
        if not self.pid:
            os._exit(self._supervisor(cell_main, drain_s).run())

    def _supervisor(self, cell_main: Main, drain_s: int) -> Supervisor:
        settings = AgentSettings(
            livekit_url="ws://127.0.0.1:1",
            livekit_api_key="key",
            livekit_api_secret=SecretStr("secret"),
            internal_token=SecretStr("x" * 16),
            control_plane_url="http://127.0.0.1:1",
            openai_api_key=SecretStr("x"),
            agent_drain_s=drain_s,
        )

        def cell(number: int) -> None:
            self._note(f"cell{number}")
            cell_main(number)

        def charger() -> None:
            self._note("charger")
            sleep_forever(0)

        return Supervisor(
            settings=settings,
            journal=self.journal,
            clock=SystemClock(),
            cell_main=cell,
            charger_main=charger,
        )

    def _note(self, name: str) -> None:
        path = self.folder / f"{name}.{time.monotonic_ns()}"
        path.with_suffix(".draft").write_text(str(os.getpid()))
        path.with_suffix(".draft").rename(path)

    def lives(self, name: str) -> list[int]:
        """Process ids of all that were ever forked under this name, in order."""
        found = [path for path in self.folder.glob(f"{name}.*") if path.suffix != ".draft"]
        return [int(path.read_text()) for path in sorted(found)]

    def wait(self) -> int:
        _, status = os.waitpid(self.pid, 0)
        self.pid = 0
        return os.waitstatus_to_exitcode(status)


@pytest.fixture
def group(tmp_path: Path) -> Iterator[Group]:
    journal = Journal.create(tmp_path / "j", worker_id="w-1", cells=2, slots_per_cell=1)
    group = Group(tmp_path, journal)
    yield group
    if group.pid:
        os.kill(group.pid, signal.SIGKILL)
        group.wait()
    journal.close()


def sleep_forever(_cell: int) -> None:
    while True:
        time.sleep(1)


def leave_when_draining(journal: Journal) -> Main:
    def main(_cell: int) -> None:
        while journal.mode is Mode.SERVING:
            time.sleep(0.01)

    return main


def leave_when_ending(journal: Journal) -> Main:
    def main(_cell: int) -> None:
        while journal.mode is not Mode.ENDING:
            time.sleep(0.01)

    return main


def test_a_killed_cell_is_buried_and_forked_again(group: Group) -> None:
    group.start(sleep_forever)
    until(lambda: group.lives("cell0") and group.lives("cell1"))
    os.kill(group.lives("cell1")[0], signal.SIGKILL)
    until(lambda: len(group.lives("cell1")) == 2)
    assert (group.journal.generation(0), group.journal.generation(1)) == (0, 1)
    assert len(group.lives("cell0")) == 1


def test_a_cell_that_leaves_of_itself_is_renewed_at_once(group: Group) -> None:
    def leave_once(cell: int) -> None:
        if cell == 0 and len(group.lives("cell0")) == 1:
            return
        sleep_forever(cell)

    group.start(leave_once)
    until(lambda: len(group.lives("cell0")) == 2)
    assert group.journal.generation(0) == 1


def test_a_killed_charger_is_forked_again_and_no_call_is_buried(group: Group) -> None:
    group.start(sleep_forever)
    until(lambda: group.lives("charger") and group.lives("cell1"))
    os.kill(group.lives("charger")[0], signal.SIGKILL)
    until(lambda: len(group.lives("charger")) == 2)
    assert (group.journal.generation(0), group.journal.generation(1)) == (0, 0)


def test_no_child_outlives_a_killed_supervisor(group: Group) -> None:
    group.start(sleep_forever)
    until(lambda: all(group.lives(name) for name in ("cell0", "cell1", "charger")))
    children = [group.lives(name)[0] for name in ("cell0", "cell1", "charger")]
    os.kill(group.pid, signal.SIGKILL)
    group.wait()
    until(lambda: not any(is_alive(pid) for pid in children))


def test_cells_that_can_never_start_end_the_worker_with_an_error(group: Group) -> None:
    def fail(_cell: int) -> None:
        raise RuntimeError("no")

    group.start(fail)
    assert group.wait() == EXIT_FATAL
    assert len(group.lives("cell0")) <= FATAL_FAILURES


def test_a_signal_drains_the_group_and_it_ends_well(group: Group) -> None:
    group.start(leave_when_draining(group.journal))
    until(lambda: group.lives("cell0") and group.lives("cell1"))
    os.kill(group.pid, signal.SIGTERM)
    assert group.wait() == 0
    assert group.journal.mode is Mode.DRAINING
    assert len(group.lives("cell0")) == len(group.lives("cell1")) == 1


def test_a_second_signal_ends_the_calls(group: Group) -> None:
    group.start(leave_when_ending(group.journal))
    until(lambda: group.lives("cell0") and group.lives("cell1"))
    os.kill(group.pid, signal.SIGTERM)
    until(lambda: group.journal.mode is Mode.DRAINING)
    os.kill(group.pid, signal.SIGTERM)
    assert group.wait() == 0


def test_draining_has_an_end(group: Group) -> None:
    group.start(leave_when_ending(group.journal), drain_s=0)
    until(lambda: group.lives("cell0") and group.lives("cell1"))
    os.kill(group.pid, signal.SIGTERM)
    assert group.wait() == 0


def test_a_signal_to_a_child_is_not_obeyed(group: Group) -> None:
    """Service managers signal every process of a group; only the root decides."""
    group.start(sleep_forever)
    until(lambda: group.lives("cell0"))
    os.kill(group.lives("cell0")[0], signal.SIGTERM)
    os.kill(group.lives("cell0")[0], signal.SIGINT)
    time.sleep(0.3)
    assert is_alive(group.lives("cell0")[0])
    assert len(group.lives("cell0")) == 1
