"""One key, one answer, one debit: on real Postgres, with crashes."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest
import pytest_asyncio
from starlette.responses import JSONResponse, Response, StreamingResponse

from billing import generation_charges as charges
from billing.generation_charges import KeyReused, ReleaseReason
from billing.money import MICRO
from control_plane.idempotency import (
    KEPT_BYTES_MAX,
    RequestInProgress,
    is_kept_as,
    purge_answers,
)
from control_plane.objects.port import ObjectGone
from control_plane.tts.port import ProviderAway
from shared.db import transaction
from shared.errors import Conflict, Forbidden, InsufficientCredits, Invalid
from tests.integration.idempotent_desk import Counter, open_counter
from tests.integration.limits_rig import CLOCK
from tests.integration.priced_work import publish, rate, rich_account

ROOT = Path(__file__).resolve().parents[2]


@pytest_asyncio.fixture
async def counter(db_dsn: str) -> AsyncIterator[Counter]:
    async with open_counter(db_dsn) as counter:
        await publish(counter.pool, rate(), rate("speech", 1))
        yield counter


@pytest_asyncio.fixture
async def user(counter: Counter) -> UUID:
    return await rich_account(counter.pool)


async def body_of(response: Response) -> bytes:
    if isinstance(response, StreamingResponse):
        return b"".join([bytes(chunk) async for chunk in response.body_iterator])  # type: ignore[arg-type]  # ours are bytes
    return bytes(response.body)


async def rows(counter: Counter) -> int:
    return int(await counter.pool.fetchval("select count(*) from idempotent_requests"))


async def test_the_same_request_gets_its_answer_again(counter: Counter, user: UUID) -> None:
    first = await counter.ask(user, "a")
    again = await counter.ask(user, "a")

    assert len(counter.charge_keys) == 1
    assert (again.status_code, await body_of(again)) == (200, await body_of(first))
    assert again.headers["x-cost"] == "5"
    assert again.headers["content-type"] == "application/json"
    assert again.headers["idempotent-replayed"] == "true"
    assert "idempotent-replayed" not in first.headers


async def test_without_a_key_it_runs_each_time_with_a_charge_of_its_own(
    counter: Counter, user: UUID
) -> None:
    await counter.ask(user, None)
    await counter.ask(user, None)
    assert len(set(counter.charge_keys)) == 2
    assert await rows(counter) == 0


@pytest.mark.parametrize("change", [{"body": b"{}"}, {"path": "/api/clone-voice"}])
async def test_a_key_belongs_to_one_request(
    counter: Counter, user: UUID, change: dict[str, str]
) -> None:
    await counter.ask(user, "a")
    with pytest.raises(KeyReused) as refused:
        await counter.ask(user, "a", **change)  # type: ignore[arg-type]  # either of two
    assert refused.value.code == "idempotency_key_reused"
    assert len(counter.charge_keys) == 1


async def test_keys_of_two_accounts_have_nothing_to_do_with_each_other(
    counter: Counter, user: UUID
) -> None:
    other = await rich_account(counter.pool, "other")
    await counter.ask(user, "a")
    answer = await counter.ask(other, "a", body=b"{}")
    assert "idempotent-replayed" not in answer.headers
    assert len(set(counter.charge_keys)) == 2


@pytest.mark.parametrize("key", ["", "x" * 256, "tab\there", "caf\xe9", "\x7f"])
async def test_a_bad_key_is_refused(counter: Counter, user: UUID, key: str) -> None:
    with pytest.raises(Invalid):
        await counter.ask(user, key)
    assert counter.charge_keys == []


async def test_any_printable_key_is_good(counter: Counter, user: UUID) -> None:
    key = "".join(map(chr, range(0x20, 0x7F))) + "x" * 160
    await counter.ask(user, key)
    assert (await counter.ask(user, key)).headers["idempotent-replayed"] == "true"


async def test_fifty_at_once_run_once(counter: Counter, user: UUID) -> None:
    outcomes = await asyncio.gather(
        *(counter.ask(user, "a") for _ in range(50)), return_exceptions=True
    )

    assert len(counter.charge_keys) == 1
    answers = [one for one in outcomes if isinstance(one, Response)]
    assert {await body_of(one) for one in answers} == {b'{"run":1}'}
    rest = [one for one in outcomes if not isinstance(one, Response)]
    assert all(isinstance(one, RequestInProgress) for one in rest)
    assert (await counter.ask(user, "a")).status_code == 200


async def test_while_the_first_is_worked_on_the_second_may_come_later(
    counter: Counter, user: UUID
) -> None:
    async def slow() -> AsyncIterator[bytes]:
        yield b"one"
        await asyncio.sleep(0)
        yield b"two"

    first = await counter.ask(user, "a", answer=StreamingResponse(slow()))
    with pytest.raises(RequestInProgress) as refused:
        await counter.ask(user, "a")
    assert refused.value.retry_after_s > 0

    assert await body_of(first) == b"onetwo"
    assert await body_of(await counter.ask(user, "a")) == b"onetwo"
    assert len(counter.charge_keys) == 1


@pytest.mark.parametrize(
    "trouble",
    [
        ProviderAway(),
        InsufficientCredits(),
        Conflict(),
        JSONResponse({}, status_code=500),
        JSONResponse({}, status_code=429),
        ValueError("a bug"),
        asyncio.CancelledError(),
    ],
    ids=lambda trouble: f"{type(trouble).__name__} {getattr(trouble, 'status_code', '')}".strip(),
)
async def test_what_may_succeed_later_runs_again(
    counter: Counter, user: UUID, trouble: Response | BaseException
) -> None:
    if isinstance(trouble, BaseException):
        with pytest.raises(type(trouble)):
            await counter.ask(user, "a", answer=trouble)
    else:
        await counter.ask(user, "a", answer=trouble)
    await counter.background.close()
    with pytest.raises(KeyReused):
        await counter.ask(user, "a", body=b"{}")

    again = await counter.ask(user, "a")

    assert again.status_code == 200
    assert "idempotent-replayed" not in again.headers
    assert len(set(counter.charge_keys)) == 1, "no hold was given back, so the charge is the same"


@pytest.mark.parametrize("refusal", [Invalid(), Forbidden()], ids=repr)
async def test_a_refusal_frees_the_key_for_a_better_request(
    counter: Counter, user: UUID, refusal: Exception
) -> None:
    with pytest.raises(type(refusal)):
        await counter.ask(user, "a", answer=refusal)
    assert await rows(counter) == 0
    assert (await counter.ask(user, "a", body=b"better")).status_code == 200


async def test_after_a_hold_was_given_back_the_charge_is_another(
    counter: Counter, user: UUID
) -> None:
    with pytest.raises(ProviderAway):
        await counter.ask(user, "a", answer=ProviderAway())
    async with transaction(counter.pool) as tx:
        held = await charges.reserve(
            tx,
            user_id=user,
            idempotency_key=counter.charge_keys[0],
            request_sha256=bytes(32),
            product="speech",
            model="local",
            quantity_max=10,
        )
        await charges.release(tx, charge_id=held.charge.id, reason=ReleaseReason.FAILED)

    await counter.pay(user, "a")

    first, second = counter.charge_keys
    assert (first[-2:], second[-2:]) == ("#1", "#2")
    assert first[:-2] == second[:-2]
    assert await counter.debits() == [-60 * MICRO]


@pytest.mark.parametrize("place", ["held", "settled"])
async def test_a_killed_process_does_not_make_the_retry_pay_again(
    counter: Counter, user: UUID, db_dsn: str, place: str
) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "tests.integration.idempotent_desk", db_dsn, str(user), "a", place),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout
    assert await asyncio.wait_for(process.stdout.readline(), 60) == b"here\n"
    with pytest.raises(RequestInProgress):
        await counter.pay(user, "a")
    os.kill(process.pid, signal.SIGKILL)
    await process.wait()

    began = CLOCK.monotonic()
    while True:
        try:
            answer = await counter.pay(user, "a")
            break
        except RequestInProgress:
            assert CLOCK.monotonic() - began < 10, "the lease of a dead process ends"
            await asyncio.sleep(0.05)

    assert answer.status_code == 200
    assert await counter.debits() == [-60 * MICRO]
    assert (await counter.pay(user, "a")).headers["idempotent-replayed"] == "true"
    assert await counter.pool.fetch("select * from invariant_violations") == []


async def test_long_work_keeps_its_lease(counter: Counter, user: UUID) -> None:
    over = asyncio.Event()

    async def slow() -> AsyncIterator[bytes]:
        yield b"one"
        await over.wait()

    working = await counter.ask(user, "a", answer=StreamingResponse(slow()), lease_s=0.4)
    listening = asyncio.create_task(body_of(working))
    began = CLOCK.monotonic()
    while CLOCK.monotonic() - began < 1.2:
        with pytest.raises(RequestInProgress):
            await counter.ask(user, "a")
        await asyncio.sleep(0.05)
    over.set()
    await listening
    assert len(counter.charge_keys) == 1


async def test_who_was_overtaken_does_not_write_over_the_answer(
    counter: Counter, user: UUID
) -> None:
    async def stalled() -> AsyncIterator[bytes]:
        yield b"late"

    late = await counter.ask(user, "a", answer=StreamingResponse(stalled()))
    await counter.pool.execute("update idempotent_requests set lease_until = clock_timestamp()")
    await counter.ask(user, "a")

    assert await body_of(late) == b"late"
    assert await body_of(await counter.ask(user, "a")) == b'{"run":2}'
    assert len(set(counter.charge_keys)) == 1


async def test_a_stream_that_was_cut_runs_again(counter: Counter, user: UUID) -> None:
    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield b"x"

    cut = await counter.ask(user, "a", answer=StreamingResponse(endless()))
    assert isinstance(cut, StreamingResponse)
    chunks = aiter(cut.body_iterator)
    await anext(chunks)
    await chunks.aclose()  # type: ignore[attr-defined]  # what the server does when the client goes
    await counter.background.close()
    assert await body_of(await counter.ask(user, "a")) == b'{"run":2}'


async def test_large_audio_is_given_again_from_its_object(counter: Counter, user: UUID) -> None:
    audio = bytes(range(256)) * 1_024
    await counter.objects.put("speech/a.wav", audio, media_type="audio/wav")
    answer = is_kept_as(Response(audio, media_type="audio/wav"), "speech/a.wav")

    await counter.ask(user, "a", answer=answer)
    again = await counter.ask(user, "a")

    assert await body_of(again) == audio
    assert again.headers["content-type"] == "audio/wav"
    assert again.headers["idempotent-replayed"] == "true"
    counter.objects.objects.clear()
    with pytest.raises(ObjectGone):
        await counter.ask(user, "a")


async def test_a_large_answer_without_an_object_runs_again_with_the_same_charge(
    counter: Counter, user: UUID
) -> None:
    large = Response(bytes(KEPT_BYTES_MAX + 1))
    await counter.ask(user, "a", answer=large)
    await counter.ask(user, "a", answer=large)
    assert len(counter.charge_keys) == 2
    assert len(set(counter.charge_keys)) == 1


async def test_an_answer_that_cannot_be_kept_is_given_all_the_same(
    counter: Counter, user: UUID
) -> None:
    await counter.pool.execute("alter table idempotent_requests add check (state <> 'done')")
    assert (await counter.ask(user, "a")).status_code == 200


async def test_answers_are_forgotten_after_a_day(counter: Counter, user: UUID) -> None:
    await counter.ask(user, "old")
    await counter.ask(user, "new")
    kept_for = await counter.pool.fetchval(
        "select max(expires_at - created_at) from idempotent_requests"
    )
    assert abs(kept_for - timedelta(hours=24)) < timedelta(seconds=1)
    await counter.pool.execute(
        "update idempotent_requests set expires_at = clock_timestamp(), "
        "lease_until = clock_timestamp() where key = 'old'"
    )

    answer = await counter.ask(user, "old", body=b"another")

    assert "idempotent-replayed" not in answer.headers
    assert len(set(counter.charge_keys)) == 3
    await counter.pool.execute(
        "update idempotent_requests set expires_at = clock_timestamp() where key = 'old'"
    )
    assert await purge_answers(counter.pool) == 1
    assert await rows(counter) == 1
