import multiprocessing
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.journal import HEADER_BYTES, SLOT_BYTES, Answer, Journal, Mode, SlotState, Watermark

FORK = multiprocessing.get_context("fork")


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    journal = Journal.create(tmp_path, worker_id="w-1", cells=2, slots_per_cell=3)
    yield journal
    journal.close()


def live(call_id: UUID, *, seconds: int = 7, generation: int = 0) -> Watermark:
    return Watermark(call_id, 1, seconds, generation, SlotState.LIVE)


def tear(journal: Journal, *, slot: int, at: int) -> None:
    """Flip one byte of the slot, as a process killed while it wrote may leave it."""
    with journal.path.open("r+b") as file:
        file.seek(HEADER_BYTES + slot * SLOT_BYTES + at)
        byte = file.read(1)[0]
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([byte ^ 0xFF]))


MARKS = st.builds(
    Watermark,
    call_id=st.uuids(),
    epoch=st.integers(0, 32_000),
    seconds=st.integers(0, 86_400),
    generation=st.integers(0, 2**16 - 2),
    state=st.sampled_from(SlotState),
    reason_code=st.integers(0, 255),
)


@given(mark=MARKS)
def test_a_watermark_comes_back_as_it_was_written(
    tmp_path_factory: pytest.TempPathFactory, mark: Watermark
) -> None:
    folder = tmp_path_factory.mktemp("journal")
    journal = Journal.create(folder, worker_id="w", cells=1, slots_per_cell=2)
    journal.write_watermark(1, mark)
    assert journal.watermark(1) == mark
    assert journal.watermark(0) is None
    journal.remove()


@pytest.mark.parametrize("final", [True, False])
@pytest.mark.parametrize("fenced", [True, False])
@pytest.mark.parametrize("closed", [True, False])
def test_an_answer_comes_back_as_it_was_written(
    journal: Journal,
    final: bool,
    fenced: bool,
    closed: bool,
) -> None:
    answer = Answer(uuid4(), 3, 120, 60, final, fenced, closed, end_code=9)
    journal.write_answer(5, answer)
    assert journal.answer(5) == answer
    assert journal.answer(4) is None


def test_a_torn_watermark_is_replaced_by_what_was_confirmed(journal: Journal) -> None:
    call_id = uuid4()
    journal.write_watermark(2, live(call_id, seconds=33))
    journal.write_answer(2, Answer(call_id, 1, granted_seconds=60, settled_seconds=30))
    tear(journal, slot=2, at=18)
    mark = journal.watermark(2)
    assert mark is not None
    assert (mark.call_id, mark.seconds, mark.state) == (call_id, 30, SlotState.LIVE)
    assert mark.generation != journal.generation(0)  # nobody's: it is closed as a dead call


def test_a_torn_watermark_without_any_answer_is_not_made_up(journal: Journal) -> None:
    journal.write_watermark(2, live(uuid4()))
    tear(journal, slot=2, at=3)
    assert journal.watermark(2) is None


@pytest.mark.parametrize("at", range(32, 64, 5))
def test_a_torn_answer_counts_as_none(journal: Journal, at: int) -> None:
    call_id = uuid4()
    journal.write_watermark(1, live(call_id))
    journal.write_answer(1, Answer(call_id, 1, 60, 10, closed=True))
    tear(journal, slot=1, at=at)
    assert journal.answer(1) is None
    assert not journal.is_settled(1)


def test_a_slot_is_settled_only_when_the_close_of_its_own_call_was_answered(
    journal: Journal,
) -> None:
    call_id = uuid4()
    assert journal.is_settled(0)
    journal.write_watermark(0, live(call_id))
    journal.write_answer(0, Answer(uuid4(), 1, 60, 10, closed=True))  # of the call before
    assert not journal.is_settled(0)
    journal.write_answer(0, Answer(call_id, 1, 60, 10))
    assert not journal.is_settled(0)
    journal.write_answer(0, Answer(call_id, 2, 60, 10, closed=True))  # of another epoch
    assert not journal.is_settled(0)
    journal.write_answer(0, Answer(call_id, 1, 60, 10, closed=True))
    assert journal.is_settled(0)


def test_burying_a_cell_changes_its_generation_and_readiness_only(journal: Journal) -> None:
    journal.set_ready(0, ready=True)
    journal.set_ready(1, ready=True)
    journal.bury(1)
    assert (journal.generation(0), journal.is_ready(0)) == (0, True)
    assert (journal.generation(1), journal.is_ready(1)) == (1, False)


def test_the_mode_is_seen_by_every_process(journal: Journal) -> None:
    def child() -> None:
        journal.set_mode(Mode.DRAINING)

    process = FORK.Process(target=child)
    process.start()
    process.join(10)
    assert journal.mode is Mode.DRAINING


def test_a_living_group_cannot_be_adopted(journal: Journal) -> None:
    assert Journal.adopt(journal.path) is None


def test_a_journal_belongs_to_its_group_until_the_last_process_is_gone(tmp_path: Path) -> None:
    """The lock is inherited: a supervisor killed before its children does not free it."""
    read_end, write_end = os.pipe()
    supervisor = os.fork()
    if not supervisor:
        Journal.create(tmp_path, worker_id="w-9", cells=1, slots_per_cell=1)
        if not os.fork():
            os.close(write_end)
            os.read(read_end, 1)  # until the test lets go
        os._exit(0)
    os.waitpid(supervisor, 0)
    assert Journal.adopt(tmp_path / "w-9.journal") is None
    os.close(write_end)
    adopted = _adopt_soon(tmp_path / "w-9.journal")
    assert adopted.worker_id == "w-9"
    adopted.remove()


def test_what_a_killed_process_wrote_last_is_there(tmp_path: Path) -> None:
    call_id = uuid4()
    wrote = FORK.Event()

    def worker() -> None:
        journal = Journal.create(tmp_path, worker_id="w-2", cells=1, slots_per_cell=1)
        for seconds in range(1, 43):
            journal.write_watermark(0, live(call_id, seconds=seconds))
        wrote.set()
        signal.pause()

    process = FORK.Process(target=worker)
    process.start()
    assert wrote.wait(10)
    process.kill()
    process.join(10)
    adopted = _adopt_soon(tmp_path / "w-2.journal")
    mark = adopted.watermark(0)
    assert mark is not None
    assert (mark.call_id, mark.seconds) == (call_id, 42)
    adopted.remove()


def test_a_reader_never_sees_a_half_written_record(tmp_path: Path) -> None:
    """Two records written in turn as fast as possible: every read is one of the two."""
    journal = Journal.create(tmp_path, worker_id="w-3", cells=1, slots_per_cell=1)
    marks = [
        Watermark(UUID(int=0), 0, 0, 0, SlotState.WAITING),
        Watermark(UUID(int=2**128 - 1), 32_000, 86_400, 60_000, SlotState.ENDED, 255),
    ]
    journal.write_watermark(0, marks[0])
    stop = FORK.Event()

    def writer() -> None:
        while not stop.is_set():
            for _ in range(200):
                for mark in marks:
                    journal.write_watermark(0, mark)

    process = FORK.Process(target=writer)
    process.start()
    seen = {journal.watermark(0) for _ in range(20_000)}
    stop.set()
    process.join(10)
    assert seen <= set(marks)
    journal.remove()


def test_a_file_that_is_no_journal_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.journal"
    path.write_bytes(b"\0" * 8192)
    with pytest.raises(ValueError, match="not a journal"):
        Journal.adopt(path)


def test_a_file_of_the_wrong_size_is_refused(tmp_path: Path, journal: Journal) -> None:
    path = tmp_path / "short.journal"
    path.write_bytes(journal.path.read_bytes()[:-1])
    with pytest.raises(ValueError, match="not a journal"):
        Journal.adopt(path)


def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "empty.journal"
    path.touch()
    with pytest.raises(ValueError, match="not a journal"):
        Journal.adopt(path)


def test_a_journal_that_vanished_is_nobodys(tmp_path: Path) -> None:
    assert Journal.adopt(tmp_path / "gone.journal") is None


def _adopt_soon(path: Path) -> Journal:
    until_s = time.monotonic() + 10
    while time.monotonic() < until_s:
        if journal := Journal.adopt(path):
            return journal
        time.sleep(0.005)
    raise AssertionError("the lock was never free")
