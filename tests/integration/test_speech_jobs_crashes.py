"""Workers that are killed, frozen, told to stop or many: a job ends once, and is paid once."""

import asyncio
import signal
from collections import Counter
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests import builders
from tests.fakes.reading_voice import ReadingVoice, reading_voice
from tests.integration.job_workers import (
    job_in,
    jobs_process,
    long_text,
    parts_done,
    worker_here,
)
from tests.integration.program import Program, program_at, until
from tests.web_process import Media

JOBS = "/api/v1/jobs"
QUICK = {"SPEECH_JOB_LEASE_S": "1.0"}


@pytest_asyncio.fixture
async def voice() -> AsyncIterator[ReadingVoice]:
    async with reading_voice() as running:
        yield running


@pytest_asyncio.fixture
async def program(db_dsn: str, no_media: Media, voice: ReadingVoice) -> AsyncIterator[Program]:
    async with program_at(db_dsn, no_media, voice) as asking:
        yield asking
        assert await builders.violations(asking.web.db) == []


async def ask(program: Program, text: str) -> str:
    answer = await program.post(JOBS, {"input": text, "voice": "ara", "model": "local"})
    job_id: str = answer.json()["id"]
    return job_id


async def test_a_killed_worker_s_job_goes_on_with_the_pieces_that_are_missing(
    program: Program, voice: ReadingVoice, db_dsn: str
) -> None:
    voice.held_text = "Number 025"
    voice.gate.clear()
    text = long_text(40)
    job_id = await ask(program, text)

    async with jobs_process(db_dsn, voice, **QUICK) as first:
        await parts_done(program, job_id, 4)
        first.send_signal(signal.SIGKILL)
        await first.wait()
    assert await program.money() == (10_000, len(text))
    voice.gate.set()
    async with jobs_process(db_dsn, voice, **QUICK):
        job = await job_in(program, job_id, "succeeded", "failed")

    assert job["status"] == "succeeded"
    assert await program.money() == (10_000 - len(text), 0)
    asked = Counter(voice.texts)
    total = job["parts"]["total"]
    assert len(asked) == total
    # What was in flight when it died (4 at once) is spoken again, what was kept is not.
    assert total < len(voice.texts) <= total + 4


@pytest.mark.parametrize("place", ["lease taken", "stored, not sold"])
async def test_a_worker_killed_around_its_transactions_leaves_right_books(
    program: Program, voice: ReadingVoice, db_dsn: str, place: str
) -> None:
    """The database stops the worker where it hurts: a lock on the row that it must write next."""
    text = long_text(8)
    job_id = await ask(program, text)
    row = "speech_job_parts" if place == "lease taken" else "audio_files"
    async with jobs_process(db_dsn, voice, **QUICK) as first, program.web.db.transaction():
        await program.web.db.execute(f"lock table {row} in share row exclusive mode")
        await until(lambda: _waits_for(program, row))
        first.send_signal(signal.SIGKILL)
        await first.wait()
    assert await builders.violations(program.web.db) == []
    assert await program.money() == (10_000, len(text))

    async with jobs_process(db_dsn, voice, **QUICK):
        job = await job_in(program, job_id, "succeeded", "failed")

    assert (job["status"], job["credits_used"]) == ("succeeded", len(text))
    assert await program.money() == (10_000 - len(text), 0)


async def test_a_frozen_worker_that_wakes_up_changes_nothing(
    program: Program, voice: ReadingVoice, db_dsn: str
) -> None:
    voice.held_text = "Number 003"
    voice.gate.clear()
    text = long_text(10)
    job_id = await ask(program, text)

    async with jobs_process(db_dsn, voice, **QUICK) as frozen:
        await parts_done(program, job_id, 1)
        frozen.send_signal(signal.SIGSTOP)
        async with jobs_process(db_dsn, voice, **QUICK):
            await until(lambda: _taken_twice(program))
            voice.gate.set()
            job = await job_in(program, job_id, "succeeded", "failed")
            frozen.send_signal(signal.SIGCONT)
            await asyncio.sleep(1.5)  # longer than its lease: time to do harm

    assert job["status"] == "succeeded"
    assert await program.money() == (10_000 - len(text), 0)
    debits = "select count(*) from credit_transactions where kind = 'generation'"
    assert await program.web.db.fetchval(debits) == 1


async def test_a_cancel_during_the_sale_waits_for_it_and_comes_too_late(
    program: Program, voice: ReadingVoice, db_dsn: str
) -> None:
    """Both want the job and the account; in another order they would wait for each other."""
    text = long_text(3)
    job_id = await ask(program, text)
    async with worker_here(db_dsn, voice):
        async with program.web.db.transaction():
            await program.web.db.execute("lock table audio_files in share row exclusive mode")
            await until(lambda: _waits_for(program, "audio_files"))
            cancelling = asyncio.create_task(program.post(f"{JOBS}/{job_id}/cancel"))
            await until(lambda: _somebody_waits_for_a_row(program))
        answer = await cancelling
        job = await job_in(program, job_id, "succeeded", "failed", "cancelled")

    assert (answer.status_code, job["status"]) == (409, "succeeded")
    assert await program.money() == (10_000 - len(text), 0)


async def test_a_worker_that_is_told_to_stop_hands_its_job_on_at_once(
    program: Program, voice: ReadingVoice, db_dsn: str
) -> None:
    """With the usual lease of half a minute: nobody waits for that after a deployment."""
    voice.held_text = "Number 003"
    voice.gate.clear()
    job_id = await ask(program, long_text(10))

    async with jobs_process(db_dsn, voice) as first:
        await parts_done(program, job_id, 1)
        first.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(first.wait(), 10) == 0
    voice.gate.set()
    async with worker_here(db_dsn, voice):
        async with asyncio.timeout(15):
            job = await job_in(program, job_id, "succeeded", "failed")

    assert job["status"] == "succeeded"


async def test_many_workers_never_speak_a_piece_twice(
    program: Program, voice: ReadingVoice, db_dsn: str
) -> None:
    texts = [f"Job {n} says. {long_text(6)}" for n in range(6)]
    jobs = [await ask(program, text) for text in texts]

    async with (
        worker_here(db_dsn, voice, speech_jobs_of_account=6),
        worker_here(db_dsn, voice, speech_jobs_of_account=6),
        worker_here(db_dsn, voice, speech_jobs_of_account=6),
    ):
        ended = [await job_in(program, job_id, "succeeded", "failed") for job_id in jobs]

    assert {job["status"] for job in ended} == {"succeeded"}
    assert sum(job["parts"]["total"] for job in ended) == len(voice.texts)
    assert await program.money() == (10_000 - sum(map(len, texts)), 0)


async def test_jobs_of_one_account_leave_room_for_others(
    program: Program, voice: ReadingVoice, db_dsn: str
) -> None:
    voice.gate.clear()
    for _ in range(4):
        await ask(program, "Hello there, here I am.")

    async with worker_here(db_dsn, voice, speech_jobs_at_once=4, speech_jobs_of_account=2):
        await until(lambda: _is(voice.at_once == 2))
        await asyncio.sleep(1.5)  # longer than idle workers wait before they look again
        assert voice.at_once == 2
        voice.gate.set()
        await until(lambda: _all_ended(program, 4))


async def test_a_job_that_kills_its_workers_is_given_up(
    program: Program, voice: ReadingVoice, db_dsn: str
) -> None:
    job_id = await ask(program, "Hello there, here I am.")
    await program.web.db.execute("update speech_jobs set takes = 5")

    async with worker_here(db_dsn, voice):
        job = await job_in(program, job_id, "failed", "succeeded")

    assert job["error"] == {"code": "job_abandoned"}
    assert await program.money() == (10_000, 0)


async def _waits_for(program: Program, table: str) -> bool:
    found: int = await program.web.db.fetchval(
        "select count(*) from pg_locks where not granted and relation = $1::regclass", table
    )
    return found > 0


async def _somebody_waits_for_a_row(program: Program) -> bool:
    found: int = await program.web.db.fetchval(
        "select count(*) from pg_locks where not granted and locktype = 'transactionid'"
    )
    return found > 0


async def _taken_twice(program: Program) -> bool:
    takes: int = await program.web.db.fetchval("select max(takes) from speech_jobs")
    return takes >= 2


async def _all_ended(program: Program, count: int) -> bool:
    ended: int = await program.web.db.fetchval(
        "select count(*) from speech_jobs where state = 'succeeded'"
    )
    return ended == count


async def _is(value: bool) -> bool:
    return value
