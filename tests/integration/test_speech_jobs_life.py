"""A long text from the request to its audio, and every way in which it may end."""

import asyncio
import io
from collections.abc import AsyncIterator
from dataclasses import replace

import av
import pytest
import pytest_asyncio

from tests import builders
from tests.fakes.reading_voice import CHARS_PER_S, ReadingVoice, reading_voice
from tests.integration.job_workers import job_in, long_text, parts_done, worker_here
from tests.integration.key_desk import make_key
from tests.integration.program import Program, program_at, program_of, until
from tests.web_process import Media

JOBS = "/api/v1/jobs"


@pytest_asyncio.fixture
async def voice() -> AsyncIterator[ReadingVoice]:
    async with reading_voice() as running:
        yield running


@pytest_asyncio.fixture
async def program(db_dsn: str, no_media: Media, voice: ReadingVoice) -> AsyncIterator[Program]:
    async with program_at(db_dsn, no_media, voice) as asking:
        yield asking
        assert await builders.violations(asking.web.db) == []


def wish(text: str, **changes: object) -> dict[str, object]:
    return {"input": text, "voice": "ara", "model": "local", **changes}


async def ask(program: Program, text: str, **changes: object) -> str:
    answer = await program.post(JOBS, wish(text, **changes))
    assert answer.status_code == 202, answer.text
    job_id: str = answer.json()["id"]
    assert answer.headers["location"] == f"{JOBS}/{job_id}"
    return job_id


async def test_a_job_holds_its_credit_speaks_its_pieces_and_is_paid_once(
    program: Program, voice: ReadingVoice, db_dsn: str
) -> None:
    text = long_text(30)
    job_id = await ask(program, text)
    queued = (await program.get(f"{JOBS}/{job_id}")).json()
    assert (queued["status"], queued["progress"], queued["credits_used"]) == ("queued", 0.0, None)
    assert await program.money() == (10_000, len(text))

    async with worker_here(db_dsn, voice):
        job = await job_in(program, job_id, "succeeded", "failed")

    assert job["status"] == "succeeded"
    assert (job["progress"], job["credits_used"]) == (1.0, len(text))
    assert job["parts"]["done"] == job["parts"]["total"] == len(voice.texts) > 1
    assert job["usage"]["input_characters"] == len(text)
    assert "".join(sorted(voice.texts)) == text
    assert await program.money() == (10_000 - len(text), 0)


async def test_the_audio_of_a_job_is_all_of_its_pieces(
    program: Program, voice: ReadingVoice, db_dsn: str
) -> None:
    text = long_text(12)
    job_id = await ask(program, text, response_format="mp3")

    async with worker_here(db_dsn, voice):
        job = await job_in(program, job_id, "succeeded", "failed")

    audio = await program.web.client.get(job["url"])
    assert (audio.status_code, audio.headers["content-type"]) == (200, "audio/mpeg")
    with av.open(io.BytesIO(audio.content), "r") as container:
        seconds = sum(
            float(frame.samples / frame.sample_rate) for frame in container.decode(audio=0)
        )
    assert seconds == pytest.approx(len(text) / CHARS_PER_S, rel=0.05)
    assert job["usage"]["duration_ms"] == pytest.approx(seconds * 1000, abs=100)
    history = await program.web.db.fetchrow("select text_content, source_type from audio_files")
    assert history is not None
    assert dict(history) == {"text_content": text, "source_type": "api_tts"}


async def test_its_pieces_are_swept_and_the_text_is_forgotten(
    program: Program, voice: ReadingVoice, db_dsn: str
) -> None:
    """What the job was made of has no use after it; the history has what was asked for."""
    job_id = await ask(program, long_text(12))

    async with worker_here(db_dsn, voice):
        job = await job_in(program, job_id, "succeeded")

    db = program.web.db
    loose = await db.fetch("select object_key, charge_id from loose_objects")
    assert len(loose) == job["parts"]["total"]
    assert {str(row["charge_id"]) for row in loose} == {job["charge_id"]}
    assert await db.fetchval("select text from speech_jobs") is None
    assert await db.fetchval("select count(*) from speech_job_parts") == 0


async def test_pieces_are_spoken_side_by_side_within_the_limit(
    program: Program, voice: ReadingVoice, db_dsn: str
) -> None:
    voice.gate.clear()
    job_id = await ask(program, long_text(40))

    async with worker_here(db_dsn, voice, speech_job_parts_at_once=3):
        await until(lambda: _is(voice.at_once == 3))
        voice.gate.set()
        await job_in(program, job_id, "succeeded")

    assert voice.at_once_max == 3


async def test_without_credit_there_is_no_job(program: Program) -> None:
    text = long_text(200)
    before = await builders.fingerprint(program.web.db)

    answer = await program.post(JOBS, wish(text))

    assert answer.status_code == 402
    assert answer.json()["error"]["code"] == "insufficient_credits"
    assert await builders.fingerprint(program.web.db) == before
    assert (await program.get(JOBS)).json()["data"] == []


async def test_cancelling_a_queued_job_returns_its_hold_at_once(program: Program) -> None:
    job_id = await ask(program, long_text(10))

    answer = await program.post(f"{JOBS}/{job_id}/cancel")

    assert (answer.status_code, answer.json()["status"]) == (200, "cancelled")
    assert answer.json()["credits_used"] == 0
    assert await program.money() == (10_000, 0)
    again = await program.post(f"{JOBS}/{job_id}/cancel")
    assert (again.status_code, again.json()["status"]) == (200, "cancelled")


async def test_cancelling_in_the_middle_stops_the_provider_and_costs_nothing(
    program: Program, voice: ReadingVoice, db_dsn: str
) -> None:
    voice.held_text = "Number 007"
    voice.gate.clear()
    job_id = await ask(program, long_text(20))

    total = (await program.get(f"{JOBS}/{job_id}")).json()["parts"]["total"]

    async with worker_here(db_dsn, voice, speech_job_lease_s=1.0):
        await parts_done(program, job_id, total - 1)  # only the provider is waited for now
        answer = await program.post(f"{JOBS}/{job_id}/cancel")
        assert answer.json()["status"] == "cancelled"
        assert await program.money() == (10_000, 0)
        await until(lambda: _is(voice.gone == 1))  # the worker hung up

    job = (await program.get(f"{JOBS}/{job_id}")).json()
    assert (job["status"], job["credits_used"], job["url"]) == ("cancelled", 0, None)


async def test_a_job_whose_cancel_comes_too_late_stays_paid(
    program: Program, voice: ReadingVoice, db_dsn: str
) -> None:
    job_id = await ask(program, long_text(3))
    async with worker_here(db_dsn, voice):
        await job_in(program, job_id, "succeeded")

    answer = await program.post(f"{JOBS}/{job_id}/cancel")

    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "job_ended")


async def test_one_refused_piece_fails_the_job_and_returns_the_hold(
    program: Program, voice: ReadingVoice, db_dsn: str
) -> None:
    voice.refused_text = "Number 008"
    job_id = await ask(program, long_text(20))

    async with worker_here(db_dsn, voice):
        job = await job_in(program, job_id, "failed", "succeeded")

    assert job["error"] == {"code": "content_policy_violation"}
    assert (job["credits_used"], job["url"]) == (0, None)
    assert await program.money() == (10_000, 0)


async def test_a_silent_piece_is_not_paid_for(
    program: Program, voice: ReadingVoice, db_dsn: str
) -> None:
    voice.silent_text = "Number 002"
    job_id = await ask(program, long_text(3))

    async with worker_here(db_dsn, voice):
        await until(lambda: _is(len(voice.texts) >= 2))
        await program.post(f"{JOBS}/{job_id}/cancel")

    assert await program.money() == (10_000, 0)


async def test_a_job_out_of_time_fails_and_returns_its_hold(
    program: Program, voice: ReadingVoice, db_dsn: str
) -> None:
    job_id = await ask(program, long_text(3))
    await program.web.db.execute("update speech_jobs set deadline_at = now() - interval '1 s'")

    async with worker_here(db_dsn, voice):
        job = await job_in(program, job_id, "failed")

    assert job["error"] == {"code": "job_expired"}
    assert (voice.texts, await program.money()) == ([], (10_000, 0))


async def test_a_hold_that_expired_is_not_delivered_for(
    program: Program, voice: ReadingVoice, db_dsn: str
) -> None:
    """The jobs process was down for a day; the credit is free again and the job ends with it."""
    job_id = await ask(program, long_text(3))
    db = program.web.db
    await db.execute("update generation_charges set expires_at = now() - interval '1 s'")
    await db.fetch("select * from charge_expire_v1(10)")

    async with worker_here(db_dsn, voice):
        job = await job_in(program, job_id, "failed", "succeeded")

    assert job["error"] == {"code": "charge_released"}
    assert await program.money() == (10_000, 0)


async def test_a_voice_that_is_disabled_meanwhile_speaks_no_more(
    program: Program, voice: ReadingVoice, db_dsn: str
) -> None:
    job_id = await ask(program, long_text(3))
    await program.web.db.execute("update voices set disabled_at = now() where name = 'ara'")

    async with worker_here(db_dsn, voice):
        job = await job_in(program, job_id, "failed")

    assert job["error"] == {"code": "voice_not_found"}
    assert (voice.texts, await program.money()) == ([], (10_000, 0))


async def test_a_voice_that_is_disabled_in_the_middle_is_asked_for_nothing_more(
    program: Program, voice: ReadingVoice, db_dsn: str
) -> None:
    """As when a consent is withdrawn: the pieces that were asked for already are the last ones."""
    voice.held_text = "Number 010"
    voice.gate.clear()
    job_id = await ask(program, long_text(60))

    async with worker_here(db_dsn, voice, speech_job_parts_at_once=1):
        await parts_done(program, job_id, 1)
        await until(lambda: _is_asked_for(voice, voice.held_text))
        await program.web.db.execute("update voices set disabled_at = now() where name = 'ara'")
        asked = len(voice.texts)
        voice.gate.set()
        job = await job_in(program, job_id, "failed", "succeeded")

    assert job["error"] == {"code": "voice_not_found"}
    assert len(voice.texts) == asked < job["parts"]["total"]
    assert await program.money() == (10_000, 0)


async def test_a_job_goes_on_when_its_key_is_revoked_and_is_the_account_s(
    program: Program, voice: ReadingVoice, db_dsn: str
) -> None:
    """Keys are rotated while work is under way; whoever wants its end cancels it."""
    voice.held_text = "Number 010"
    voice.gate.clear()
    text = long_text(20)
    job_id = await ask(program, text)
    other_key = replace(program, key=await make_key(program.owner, scopes=["jobs"]))

    async with worker_here(db_dsn, voice):
        await parts_done(program, job_id, 1)
        revoked = await program.web.client.delete(
            f"/api/api-keys/{program.key.id}", headers=program.owner.headers
        )
        assert revoked.status_code == 200
        assert (await program.get(f"{JOBS}/{job_id}")).status_code == 401
        assert (await program.post(JOBS, {"input": text, "voice": "ara"})).status_code == 401
        voice.gate.set()
        job = await job_in(other_key, job_id, "failed", "succeeded")

    assert (job["status"], job["credits_used"]) == ("succeeded", len(text))
    assert await program.money() == (10_000 - len(text), 0)


async def test_jobs_of_others_do_not_exist(program: Program) -> None:
    job_id = await ask(program, long_text(3))
    stranger = await program_of(program.web)

    answers = [
        await stranger.get(f"{JOBS}/{job_id}"),
        await stranger.get(f"{JOBS}/{job_id}/events"),
        await stranger.post(f"{JOBS}/{job_id}/cancel"),
    ]

    assert [answer.status_code for answer in answers] == [404, 404, 404]
    assert (await stranger.get(JOBS)).json()["data"] == []
    assert (await program.get(f"{JOBS}/{job_id}")).json()["status"] == "queued"


async def test_an_account_has_so_many_jobs_open(
    db_dsn: str, no_media: Media, voice: ReadingVoice
) -> None:
    async with program_at(db_dsn, no_media, voice, speech_jobs_open_max=3) as program:
        answers = await asyncio.gather(*(program.post(JOBS, wish("One. Two.")) for _ in range(8)))

        assert sorted(answer.status_code for answer in answers) == [202] * 3 + [429] * 5
        refused = next(answer for answer in answers if answer.status_code == 429)
        assert refused.json()["error"]["code"] == "too_many_jobs"
        assert "retry-after" in refused.headers
        assert await program.money() == (10_000, 27)


async def test_the_same_idempotency_key_is_the_same_job(program: Program) -> None:
    body = wish(long_text(3))

    answers = [await program.post(JOBS, body, idempotency_key="k1") for _ in range(2)]
    other = await program.post(JOBS, wish("Something else."), idempotency_key="k1")

    assert [answer.status_code for answer in answers] == [202, 202]
    assert answers[0].json()["id"] == answers[1].json()["id"]
    assert (other.status_code, other.json()["error"]["code"]) == (409, "idempotency_key_reused")
    assert len((await program.get(JOBS)).json()["data"]) == 1


async def test_a_key_may_spend_its_quota_on_jobs_and_no_more(program: Program, db_dsn: str) -> None:
    await program.web.db.execute("update api_keys set credit_limit = 200 * 1000000")

    first = await program.post(JOBS, wish("x" * 150))
    second = await program.post(JOBS, wish("y" * 51))

    assert (first.status_code, second.status_code) == (202, 402)
    assert second.json()["error"]["code"] == "api_key_quota_exceeded"
    assert await program.money() == (10_000, 150)


async def test_jobs_are_listed_newest_first_page_by_page(program: Program) -> None:
    made = [await ask(program, f"Text {n}.") for n in range(5)]

    first = (await program.get(f"{JOBS}?limit=3")).json()
    second = (await program.get(f"{JOBS}?limit=3&before={first['next_before']}")).json()

    assert [job["id"] for job in first["data"] + second["data"]] == made[::-1]
    assert second["next_before"] is None


WRONG: list[tuple[dict[str, object], int, str, str]] = [
    ({"input": ""}, 400, "invalid_request", "input"),
    ({"input": " ... \n"}, 400, "invalid_request", "input"),
    ({"input": "x" * 1_001}, 400, "input_too_long", "input"),
    ({"voice": "nobody"}, 404, "voice_not_found", "voice"),
    ({"model": "gpro"}, 400, "model_not_found", "model"),
    ({"response_format": "midi"}, 400, "invalid_request", "response_format"),
    ({"callback": "https://x"}, 400, "invalid_request", "callback"),
]


async def test_a_wrong_job_is_refused_and_changes_nothing(
    db_dsn: str, no_media: Media, voice: ReadingVoice
) -> None:
    async with program_at(db_dsn, no_media, voice, speech_job_characters_max=1_000) as program:
        for changes, status, code, param in WRONG:
            answer = await program.post(JOBS, {**wish("Hello there."), **changes})

            assert answer.status_code == status, (changes, answer.text)
            assert answer.json()["error"]["code"] == code
            assert answer.json()["error"]["param"] == param
        assert await program.money() == (10_000, 0)
        assert (await program.get(JOBS)).json()["data"] == []


async def test_a_key_without_the_scope_makes_no_jobs(program: Program) -> None:
    other = await program_of(program.web, scopes=["speech:generate"])

    answer = await other.post(JOBS, wish("Hello."))

    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "missing_scope")


async def test_the_take_statement_reads_open_jobs_only(program: Program) -> None:
    """A year of ended jobs must not slow down the next one."""
    await ask(program, long_text(3))
    await program.web.db.execute("set enable_seqscan = off")
    plan = await program.web.db.fetch(
        "explain select id from speech_jobs w where (w.state = 'queued' or (w.state = 'running' "
        "and w.lease_until < now())) order by w.created_at, w.id limit 1"
    )

    assert "speech_jobs_open" in "\n".join(row[0] for row in plan)


async def _is_asked_for(voice: ReadingVoice, part: str) -> bool:
    return any(part in text for text in voice.texts)


async def _is(value: bool) -> bool:
    return value
