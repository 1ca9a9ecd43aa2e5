"""Files of recordings: both channels, playable after a crash, and never two hands on one."""

import os
import subprocess
import sys
from array import array
from math import pi, sin
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from agent.recording import shelf as shelves
from agent.recording.shelf import Shelf, ShelfFull
from agent.recording.tape import Tape, TapeFull
from agent.sound import RATE_HZ
from control_plane.recordings.ogg import NotARecording, duration_ms
from shared.clock import SystemClock
from tests.tapes import tape_of

CALL = UUID(int=7)
LATER_S = 1_000.0  # after any file of this test was made


def stereo(seconds: float, *, left_hz: int, right_hz: int) -> bytes:
    """A tone on each side; 0 Hz is silence."""
    samples = array("h")
    for number in range(int(seconds * RATE_HZ)):
        for hz in (left_hz, right_hz):
            samples.append(round(8_000 * sin(2 * pi * hz * number / RATE_HZ)))
    return samples.tobytes()


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path / "recordings")


def now_s() -> float:
    return SystemClock().now().timestamp()


def left(shelf: Shelf) -> list[tuple[UUID, int]]:
    return [(one.call_id, one.epoch) for one in shelf.left(now_s=now_s() + LATER_S)]


def test_the_caller_is_on_the_left_and_the_agent_on_the_right(shelf: Shelf) -> None:
    writing = Tape(shelf, CALL, 1)
    writing.write(stereo(1.0, left_hz=440, right_hz=0))
    writing.write(stereo(1.0, left_hz=440, right_hz=0))
    writing.close()
    data = shelf.path_of(CALL, 1).read_bytes()
    tape = tape_of(data)
    assert tape.seconds == pytest.approx(2.0, abs=0.05)
    assert tape.caller_s == pytest.approx(2.0, abs=0.1)
    assert tape.agent_s <= 0.1, "a codec lets a little through where a tone begins"
    assert duration_ms(data) == pytest.approx(2_000, abs=50)


def test_what_a_crash_leaves_can_be_played_and_is_found(shelf: Shelf) -> None:
    script = (
        "import os, sys; from pathlib import Path; from uuid import UUID\n"
        "from agent.recording.shelf import Shelf; from agent.recording.tape import Tape\n"
        "tape = Tape(Shelf(Path(sys.argv[1])), UUID(int=7), 3)\n"
        "for _ in range(10): tape.write(bytes(24_000 * 4))\n"
        "print('written', flush=True); sys.stdin.read()\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script, str(shelf.folder)],
        stdout=subprocess.PIPE,
        stdin=subprocess.PIPE,
    )
    assert process.stdout
    assert process.stdin
    assert process.stdout.readline() == b"written\n"
    assert left(shelf) == [], "somebody writes it"
    process.kill()
    process.wait()
    process.stdout.close()
    process.stdin.close()
    assert left(shelf) == [(CALL, 3)]
    data = shelf.path_of(CALL, 3).read_bytes()
    assert 8_500 <= duration_ms(data) <= 10_050, "a second of pages at most is lost"
    assert tape_of(data).seconds >= 8.5


def test_what_was_taken_back_while_it_was_written_is_never_delivered(shelf: Shelf) -> None:
    tape = Tape(shelf, CALL, 1)
    tape.write(stereo(0.5, left_hz=0, right_hz=0))
    tape.remove()
    tape.close()
    assert left(shelf) == []
    assert list(shelf.folder.iterdir()) == []


def test_an_empty_file_that_has_just_been_made_is_left_alone(shelf: Shelf) -> None:
    shelf.folder.mkdir()
    path = shelf.path_of(uuid4(), 1)
    path.touch()
    assert list(shelf.left(now_s=now_s())) == []
    assert len(list(shelf.left(now_s=now_s() + shelves.BEGINNING_S + 1))) == 1


def test_other_files_are_not_ours(shelf: Shelf) -> None:
    shelf.folder.mkdir()
    (shelf.folder / "notes.ogg").write_bytes(b"x")
    (shelf.folder / f"{CALL}.x.ogg").write_bytes(b"x")
    assert left(shelf) == []


def test_files_are_nobody_elses_on_the_machine(shelf: Shelf) -> None:
    Tape(shelf, CALL, 1).close()
    assert shelf.folder.stat().st_mode & 0o777 == 0o700
    assert shelf.path_of(CALL, 1).stat().st_mode & 0o777 == 0o600


def test_a_full_shelf_takes_no_more(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    tape = Tape(shelf, CALL, 1)
    tape.write(stereo(0.5, left_hz=0, right_hz=0))
    tape.close()
    monkeypatch.setattr(shelves, "FOLDER_BYTES_MAX", 1)
    with pytest.raises(ShelfFull):
        Tape(shelf, CALL, 2)


def test_a_tape_ends_before_it_is_too_large(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agent.recording.tape.RECORDING_BYTES_MAX", 100_000)
    tape = Tape(shelf, CALL, 1)

    def write_on() -> None:
        for _ in range(100):
            tape.write(os.urandom(24_000 * 4))

    with pytest.raises(TapeFull):
        write_on()
    tape.close()
    assert shelf.path_of(CALL, 1).stat().st_size < 100_000


@pytest.mark.parametrize(
    "data", [b"", b"OggS", b"no audio at all", b"OggS" + bytes(100), b"x" * 1_000]
)
def test_what_is_no_recording_is_refused(data: bytes) -> None:
    with pytest.raises(NotARecording):
        duration_ms(data)


def test_a_recording_without_sound_is_none(shelf: Shelf) -> None:
    Tape(shelf, CALL, 1).close()
    with pytest.raises(NotARecording):
        duration_ms(shelf.path_of(CALL, 1).read_bytes())
