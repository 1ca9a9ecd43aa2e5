"""Programs on a leash: found dead, stopped with all they started, and gone with their parent."""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import pytest_asyncio

from local.child import Child, Program
from local.failure import CannotRun
from local.layout import ROOT

PATH = {"PATH": os.environ["PATH"]}
SPAWNER = """
import pathlib, sys, time
from local.child import Child, Program
program = Program(name="sleeper", command=("sleep", "600"), environment={})
child = Child(program, logs=pathlib.Path(sys.argv[1]))
child.start()
print(child.pid, flush=True)
time.sleep(600)
"""

Start = Callable[..., Child]


@pytest_asyncio.fixture
async def start(tmp_path: Path) -> AsyncIterator[Start]:
    """Starts a shell script; what still runs afterwards is killed."""
    children: list[Child] = []

    def begin(script: str, *, stop_timeout_s: float = 5) -> Child:
        command = ("sh", "-c", script)
        program = Program(
            name="script", command=command, environment=PATH, stop_timeout_s=stop_timeout_s
        )
        children.append(Child(program, logs=tmp_path))
        children[-1].start()
        return children[-1]

    yield begin
    for child in children:
        await child.stop()


async def until(condition: Callable[[], bool], patience_s: float = 10) -> bool:
    deadline = time.monotonic() + patience_s
    while not condition() and time.monotonic() < deadline:
        await asyncio.sleep(0.02)
    return condition()


def is_alive(pid: int) -> bool:
    """Zombies, which wait for somebody to ask how they died, are not alive."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def spawner(folder: Path, script: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-c", script, str(folder)], cwd=ROOT, stdout=subprocess.PIPE
    )


async def test_the_programs_id_is_the_childs_id(start: Start) -> None:
    child = start("echo $$; sleep 600")
    assert await until(lambda: child.log_path.read_text() == f"{child.pid}\n")


@pytest.mark.parametrize("rights", ["", ", unprivileged=True"])
async def test_a_program_dies_with_its_parent_even_after_sigkill(
    tmp_path: Path, rights: str
) -> None:
    with spawner(tmp_path, SPAWNER.replace("environment={}", "environment={}" + rights)) as parent:
        assert parent.stdout is not None
        sleeper = int(parent.stdout.readline())
        assert await until(
            lambda: Path(f"/proc/{sleeper}/cmdline").read_bytes().startswith(b"sleep")
        )
        parent.kill()
    assert await until(lambda: not is_alive(sleeper))


async def test_stopping_a_program_stops_what_it_started(start: Start) -> None:
    child = start("sleep 600 & echo $!; wait")
    assert await until(lambda: child.log_path.read_text() != "")
    grandchild = int(child.log_path.read_text())
    await child.stop()
    assert child.pid is None
    assert await until(lambda: not is_alive(grandchild))


async def test_a_program_that_ignores_the_polite_signal_is_killed(start: Start) -> None:
    child = start("trap '' TERM; echo armed; while :; do sleep 0.1; done", stop_timeout_s=0.3)
    assert await until(lambda: child.log_path.read_text() == "armed\n")
    await child.stop()
    assert child.how_it_ended() == "killed by SIGKILL"


async def test_a_program_that_dies_while_starting_tells_how_and_why(tmp_path: Path) -> None:
    async def never() -> bool:
        return False

    program = Program(
        name="web",
        command=("sh", "-c", "echo no such table; exit 3"),
        environment=PATH,
        ready=never,
    )
    child = Child(program, logs=tmp_path)
    child.start()
    with pytest.raises(CannotRun, match=r"web ended while starting \(exit code 3\)") as raised:
        await child.wait_ready()
    assert "no such table" in str(raised.value)


async def test_a_program_that_never_gets_ready_is_given_up(tmp_path: Path) -> None:
    async def never() -> bool:
        return False

    program = Program(
        name="web",
        command=("sleep", "600"),
        environment=PATH,
        ready=never,
        start_timeout_s=0.2,
    )
    child = Child(program, logs=tmp_path)
    child.start()
    with pytest.raises(CannotRun, match=r"web was not ready after 0\.2 s"):
        await child.wait_ready()
    await child.stop()


async def test_a_task_that_fails_is_an_error(tmp_path: Path) -> None:
    program = Program(name="migrate", command=("sh", "-c", "exit 1"), environment=PATH)
    with pytest.raises(CannotRun, match=r"migrate failed \(exit code 1\)"):
        await Child(program, logs=tmp_path).run_to_end()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give root up")
async def test_root_is_given_up_and_still_enters_a_private_folder(tmp_path: Path) -> None:
    private = tmp_path / "private"
    private.mkdir(mode=0o700)
    (private / "file").write_text("inside")
    program = Program(
        name="id",
        command=("sh", "-c", f"id -un; cat {private}/file"),
        environment=PATH,
        unprivileged=True,
    )
    child = Child(program, logs=tmp_path)
    await child.run_to_end()
    assert child.log_path.read_text().split() == ["nobody", "inside"]
