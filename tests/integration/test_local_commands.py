"""`python -m local ...` as a person uses it: separate processes, real signals, exit codes."""

import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import openai
import pytest

from local.layout import ROOT
from local.ports import Ports, free_ports, variable_of
from tests.stack import clean_environment

READY_S = 90  # a start on a busy machine
GONE_S = 20

Command = subprocess.Popen[str]


def environment(folder: Path, ports: Ports | None = None) -> dict[str, str]:
    ports = ports or free_ports()
    names = ("web", "livekit", "rtc_tcp", "rtc_udp", "voice")
    moved = {variable_of(name): str(getattr(ports, name)) for name in names}
    return {**clean_environment(), **moved, "LOCAL_DATA_DIR": str(folder)}


def local(env: dict[str, str], *arguments: str) -> Command:
    return subprocess.Popen(
        [sys.executable, "-m", "local", *arguments],
        cwd=ROOT,
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run(env: dict[str, str], *arguments: str) -> tuple[int, str, str]:
    command = local(env, *arguments)
    output, errors = command.communicate(timeout=100)
    return command.returncode, output, errors


def processes_of(folder: Path) -> list[int]:
    """Every process that was started for a data folder, found by its environment."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if str(folder).encode() in (entry / "environ").read_bytes():
                found.append(int(entry.name))
        except OSError:
            continue
    return found


def wait_until(condition: Callable[[], bool], patience_s: float) -> bool:
    deadline = time.monotonic() + patience_s
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.05)
    return condition()


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The environment of a stack that `up` started."""
    folder = tmp_path_factory.mktemp("up")
    env = environment(folder)
    up = local(env, "up")
    assert up.stdout is not None
    page = next((line for line in up.stdout if "The call page:" in line), None)
    assert page is not None, up.communicate()[1]
    assert env["LOCAL_WEB_PORT"] in page
    yield env
    status, _, _ = run(env, "down")
    up.communicate(timeout=GONE_S)
    assert status == 0
    assert up.returncode == 130
    assert wait_until(lambda: not processes_of(folder), GONE_S)


def test_env_tells_a_program_how_to_reach_the_stack(running: dict[str, str]) -> None:
    status, output, _ = run(running, "env", "--json")
    assert status == 0
    assert (
        json.loads(output)["CONTROL_PLANE_URL"] == f"http://127.0.0.1:{running['LOCAL_WEB_PORT']}"
    )


def test_env_tells_a_shell(running: dict[str, str]) -> None:
    _, output, _ = run(running, "env")
    script = f'{output}\nprintf %s "$CONTROL_PLANE_URL"'
    url = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True).stdout
    assert url == f"http://127.0.0.1:{running['LOCAL_WEB_PORT']}"


def test_key_is_all_that_an_openai_client_needs(running: dict[str, str]) -> None:
    status, output, errors = run(running, "key", "--credits", "500")
    assert status == 0, errors
    told = dict(line.split("=", 1) for line in output.splitlines())
    with openai.OpenAI(
        base_url=told["OPENAI_BASE_URL"], api_key=told["OPENAI_API_KEY"], max_retries=0
    ) as client:
        spoken = client.audio.speech.create(
            model="tts-1", voice="alloy", input="As easy as that.", response_format="wav"
        )
    assert spoken.content[:4] == b"RIFF"


def test_a_call_is_heard_on_both_sides_and_billed_by_the_second(running: dict[str, str]) -> None:
    status, output, errors = run(
        running, "call", "--seconds", "7", "--say", "hello there", "--json"
    )
    assert status == 0, errors
    result = json.loads(output)
    assert result["answered"]
    assert result["agent_heard_us"]
    assert abs(result["difference_s"]) <= 1
    assert result["ended_by"] == "caller"


def test_a_second_stack_needs_another_folder(running: dict[str, str]) -> None:
    folder = Path(running["LOCAL_DATA_DIR"])
    status, _, errors = run(environment(folder), "up")
    assert status == 1
    assert "A stack already runs with the data folder" in errors
    assert "Traceback" not in errors


def test_a_second_stack_needs_other_ports(running: dict[str, str], tmp_path: Path) -> None:
    status, _, errors = run({**running, "LOCAL_DATA_DIR": str(tmp_path)}, "up")
    assert status == 1
    assert len(errors.strip().splitlines()) == 1
    assert f"Port {running['LOCAL_WEB_PORT']} (web) cannot be used" in errors
    assert processes_of(tmp_path) == []


def test_without_a_stack_the_commands_say_so(tmp_path: Path) -> None:
    for arguments in (["env"], ["call"], ["key"]):
        status, _, errors = run(environment(tmp_path), *arguments)
        assert status == 1
        assert errors == f"No stack runs with the data folder {tmp_path}: start one: make up\n"


def test_down_without_a_stack_is_no_error(tmp_path: Path) -> None:
    assert run(environment(tmp_path), "down")[0] == 0


def test_a_crashed_start_is_one_line_and_leaves_nothing(tmp_path: Path) -> None:
    fake = tmp_path / "livekit-server"
    fake.write_text("#!/bin/sh\necho cannot bind >&2\nexit 7\n")
    fake.chmod(0o755)
    folder = tmp_path / "data"
    status, _, errors = run({**environment(folder), "LIVEKIT_SERVER_BIN": str(fake)}, "up")
    assert status == 1
    assert "livekit ended while starting (exit code 7)" in errors
    assert "cannot bind" in errors
    assert "Traceback" not in errors
    assert processes_of(folder) == []


@pytest.mark.parametrize("after_s", [0.3, 1.0, 3.0])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_start_can_be_interrupted_at_any_moment(
    tmp_path: Path, number: signal.Signals, after_s: float
) -> None:
    folder = tmp_path / "data"
    up = local(environment(folder), "up")
    time.sleep(after_s)
    up.send_signal(number)
    _, errors = up.communicate(timeout=GONE_S)
    assert up.returncode in {130, -number}
    assert "Traceback" not in errors
    assert wait_until(lambda: not processes_of(folder), GONE_S), processes_of(folder)


def test_a_folder_without_a_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    status, _, errors = run(environment(tmp_path), "postgres", str(tmp_path))
    assert status == 1
    assert "is not a data folder" in errors
    assert list(tmp_path.iterdir()) == []


def test_a_port_held_by_a_stranger_is_named(tmp_path: Path) -> None:
    ports = free_ports()
    with socket.socket() as stranger:
        stranger.bind(("127.0.0.1", ports.voice))
        stranger.listen()
        status, _, errors = run(environment(tmp_path / "data", ports), "up")
    assert status == 1
    assert "LOCAL_VOICE_PORT" in errors
