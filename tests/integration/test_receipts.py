"""Receipts of real calls on real Postgres, read through the real routes, checked by the command."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
import pytest_asyncio

from billing import charging, receipts, verify
from billing.receipt_seal import read_keys
from billing.store import receipts as store
from billing.store.receipts import Receipt
from shared.db import Pool, open_pool, transaction
from shared.end_reasons import EndReason
from shared.ids import new_call_id
from shared.settings import PostgresSettings
from tests.integration.lock_waits import until_waiting
from tests.integration.receipted_calls import (
    KEYS,
    answered_call,
    billed_call,
    close,
    open_account,
    receipt_of,
    session_of,
    verified,
    web,
)
from tests.web_process import Media

REAPED: Any = {"reason": EndReason.AGENT_LOST, "closed_by": "reaper", "source": "reaper"}


@pytest_asyncio.fixture
async def pool(db_dsn: str) -> AsyncIterator[Pool]:
    settings = PostgresSettings.model_validate({"database_url": db_dsn})
    opened = await open_pool(settings, application_name="tests")
    yield opened
    await opened.close()


@pytest_asyncio.fixture
async def client(db_dsn: str, no_media: Media) -> AsyncIterator[httpx2.AsyncClient]:
    async with web(db_dsn, no_media, KEYS) as client:
        yield client


async def test_a_closed_call_has_a_receipt_that_the_command_proves(
    client: httpx2.AsyncClient, pool: Pool, tmp_path: Path
) -> None:
    # given a paid call of 37 seconds, reported at 10 and 20
    account = await open_account(pool)
    call_id = await billed_call(pool, account)

    # when its owner asks for the receipt
    document = await receipt_of(client, account, call_id)

    # then it says what was billed and why
    body = document["receipt"]
    assert json.loads(document["body"]) == body
    assert body["call_id"] == str(call_id)
    assert body["account_id"] == str(account.user_id)
    assert body["sequence"] == 1
    assert body["previous_hash"] == "0" * 64
    assert body["billed_seconds"] == 37
    assert body["price_microcredits_per_minute"] == 1_000_000_000
    assert body["rate_card_version"] == 2
    assert body["cost_microcredits"] == 616_666_667
    assert body["segments"] == [
        [0, 10, 166_666_667, "agent"],
        [10, 20, 166_666_667, "agent"],
        [20, 37, 283_333_333, "agent"],
    ]
    assert [entry["amount_microcredits"] for entry in body["ledger"]] == [-616_666_667]
    assert (body["end_reason"], body["fault_owner"]) == ("caller_hangup", "caller")
    assert body["end_words"] == "You ended the call."
    assert body["free_call"] is False
    assert body["free"]["gaps"] == []
    assert 7_000 <= body["free"]["waiting_ms"] <= 9_000

    # and anybody can check it with the published keys
    assert await verified(client, tmp_path, [document]) == 0


async def test_free_calls_and_gaps_are_on_the_receipt(
    client: httpx2.AsyncClient, pool: Pool, tmp_path: Path
) -> None:
    account = await open_account(pool, paid=False)
    call_id = await answered_call(pool, account, reports=(10,))
    await pool.execute(
        "insert into call_gaps(call_id, index, at_s, lasted_s, cause) values "
        "($1, 1, 9, 0.2504, 'media_lost'), ($1, 0, 4, 3, 'provider_away')",
        call_id,
    )
    await close(pool, call_id, 12)

    document = await receipt_of(client, account, call_id)

    assert document["receipt"]["free_call"] is True
    assert document["receipt"]["free"]["gaps"] == [
        {"at_s": 4, "lasted_ms": 3_000, "cause": "provider_away"},
        {"at_s": 9, "lasted_ms": 250, "cause": "media_lost"},
    ]
    assert await verified(client, tmp_path, [document]) == 0


async def test_any_field_changed_in_a_real_receipt_is_found(
    client: httpx2.AsyncClient, pool: Pool, tmp_path: Path
) -> None:
    account = await open_account(pool)
    document = await receipt_of(client, account, await billed_call(pool, account))
    body = document["body"]
    digits = [index for index, letter in enumerate(body) if letter.isdigit()]

    forged = [
        document | {"body": body[:index] + str(9 - int(body[index])) + body[index + 1 :]}
        for index in digits
    ]

    published = await client.get("/.well-known/receipt-keys.json")
    keys = read_keys(published.text)
    assert verify.check_receipt("true", json.dumps(document), keys).problems == []
    for index, changed in zip(digits, forged, strict=True):
        checked = verify.check_receipt("forged", json.dumps(changed), keys)
        assert checked.problems, body[index - 20 : index + 1]


async def test_calls_closed_at_once_make_one_unbroken_chain_an_account(
    client: httpx2.AsyncClient, pool: Pool, tmp_path: Path
) -> None:
    # given 4 accounts with 12 answered calls each
    accounts = [await open_account(pool) for _ in range(4)]
    calls = [(a, await answered_call(pool, a, reports=(5,))) for a in accounts for _ in range(12)]

    # when all are closed at once, every third twice
    await asyncio.gather(
        *(close(pool, call_id, 5 + n % 3) for n, (_, call_id) in enumerate(calls)),
        *(close(pool, call_id, 7) for _, call_id in calls[::3]),
    )

    # then each account has receipts 1 to 12, and every chain holds
    documents = [await receipt_of(client, account, call_id) for account, call_id in calls]
    for account in accounts:
        numbers = [
            document["receipt"]["sequence"]
            for document in documents
            if document["receipt"]["account_id"] == str(account.user_id)
        ]
        assert sorted(numbers) == list(range(1, 13))
    assert await verified(client, tmp_path, documents) == 0


async def test_a_close_that_is_rolled_back_leaves_no_receipt(pool: Pool) -> None:
    account = await open_account(pool)
    call_id = await answered_call(pool, account, reports=(10,))

    async def close_and_fail() -> None:
        async with transaction(pool) as tx:
            await charging.close(tx, call_id=call_id, epoch=None, seconds=12, **REAPED)
            assert await store.find(tx, subject_id=call_id, owner=account.user_id)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await close_and_fail()
    async with transaction(pool) as tx:
        assert await store.find(tx, subject_id=call_id, owner=account.user_id) is None


async def test_a_call_closed_before_there_were_receipts_gets_one_when_asked(
    client: httpx2.AsyncClient, pool: Pool, tmp_path: Path
) -> None:
    account = await open_account(pool)
    first = await billed_call(pool, account)
    call_id = await answered_call(pool, account, reports=(10,))
    await pool.fetch("select call_close_v1($1, null, 0, 'agent_lost', 'reaper', 'reaper')", call_id)

    document = await receipt_of(client, account, call_id)

    assert document["receipt"]["sequence"] == 2
    assert document["receipt"]["fault_owner"] == "operator"
    assert (
        await verified(client, tmp_path, [await receipt_of(client, account, first), document]) == 0
    )


async def test_readers_who_ask_at_once_for_a_receipt_that_is_not_there_get_one(pool: Pool) -> None:
    # given a call closed without a receipt, and an account that is busy
    account = await open_account(pool)
    call_id = await answered_call(pool, account, reports=(10,))
    await pool.fetch("select call_close_v1($1, null, 0, 'agent_lost', 'reaper', 'reaper')", call_id)

    async def read() -> Receipt:
        async with transaction(pool) as tx:
            return await receipts.receipt_of_call(tx, call_id=call_id, owner=account.user_id)

    # when five ask for it while all of them must wait
    async with transaction(pool) as tx:
        await store.lock_account(tx, account.user_id)
        readers = [asyncio.create_task(read()) for _ in range(5)]
        await until_waiting(pool, 5)

    # then the first writes it and the others find it
    found = await asyncio.gather(*readers)
    assert [receipt.sequence for receipt in found] == [1] * 5
    assert len({receipt.id for receipt in found}) == 1


async def test_a_receipt_survives_the_transcript_and_the_prompt(
    client: httpx2.AsyncClient, pool: Pool, tmp_path: Path
) -> None:
    # given a call with a transcript and a prompt, whose receipt was read
    account = await open_account(pool)
    call_id = await answered_call(pool, account, reports=(10,))
    await pool.execute(
        "insert into call_configs(call_id, room_name, plan, model, voice, language, instructions,"
        " greeting, free_call) values ($1, 'room', 'free', 'm', 'Ara', 'en', 'a secret prompt',"
        " 'a secret greeting', false)",
        call_id,
    )
    await pool.execute(
        "insert into call_transcripts(call_id, index, role, text, at_s) "
        "values ($1, 0, 'user', 'a secret word', 1)",
        call_id,
    )
    await close(pool, call_id, 20)
    before = await receipt_of(client, account, call_id)

    # when both are erased
    await pool.execute("delete from call_transcripts where call_id = $1", call_id)
    await pool.execute("delete from call_configs where call_id = $1", call_id)

    # then the receipt is the same, proven, and never held a word of them
    assert await receipt_of(client, account, call_id) == before
    assert await verified(client, tmp_path, [before]) == 0
    for word in ("secret", "Ara", account.email, "room"):
        assert word not in before["body"]


async def test_somebody_elses_receipt_is_as_unknown_as_none(
    client: httpx2.AsyncClient, pool: Pool
) -> None:
    owner, other = await open_account(pool), await open_account(pool)
    call_id = await billed_call(pool, owner)

    foreign = await client.get(f"/api/calls/{call_id}/receipt", headers=session_of(other))
    missing = await client.get(f"/api/calls/{new_call_id()}/receipt", headers=session_of(other))
    listed = await client.get("/api/receipts", headers=session_of(other))

    assert (foreign.status_code, foreign.json()) == (404, missing.json())
    assert foreign.json()["code"] == "call_not_found"
    assert listed.json()["data"] == []
    assert listed.json()["totalCount"] == 0


async def test_what_cannot_have_a_receipt_says_why(client: httpx2.AsyncClient, pool: Pool) -> None:
    account = await open_account(pool)
    running = await answered_call(pool, account, reports=(10,))
    unbilled = await answered_call(pool, account)
    await close(pool, unbilled, 0)

    async def refused(path: str, headers: dict[str, str]) -> tuple[int, str]:
        answer = await client.get(path, headers=headers)
        return answer.status_code, answer.json()["code"]

    mine = session_of(account)
    assert await refused(f"/api/calls/{running}/receipt", mine) == (409, "call_open")
    assert await refused(f"/api/calls/{unbilled}/receipt", mine) == (404, "no_receipt")
    assert await refused(f"/api/calls/{running}/receipt", {}) == (401, "unauthenticated")
    assert await refused("/api/receipts", {}) == (401, "unauthenticated")
    assert await refused("/api/calls/nonsense/receipt", mine) == (404, "not_found")
    assert await refused(f"/api/calls/{running}/receipt?format=pdf", mine) == (
        400,
        "invalid_request",
    )
    assert await pool.fetchval("select count(*) from receipts") == 0


async def test_the_page_is_for_people(client: httpx2.AsyncClient, pool: Pool) -> None:
    account = await open_account(pool)
    call_id = await billed_call(pool, account)
    path, mine = f"/api/calls/{call_id}/receipt", session_of(account)
    browser = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}

    page = await client.get(path, headers=mine | browser)
    by_format = await client.get(path, params={"format": "html"}, headers=mine)
    program = await client.get(path, headers=mine | {"Accept": "application/json, text/html;q=0.1"})
    chosen = await client.get(path, params={"format": "json"}, headers=mine | browser)

    assert page.text == by_format.text
    assert program.json() == chosen.json()
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert page.headers["cache-control"] == "private, no-store"
    assert "script" not in page.text.lower()
    assert "style=" not in page.text
    assert "default-src 'none'" in page.headers["content-security-policy"]
    for words in ("616.666667 credits", "0:37", "You ended the call.", program.json()["signature"]):
        assert words in page.text


async def test_the_list_is_newest_first_in_pages(client: httpx2.AsyncClient, pool: Pool) -> None:
    account = await open_account(pool)
    calls = [await billed_call(pool, account, seconds) for seconds in (30, 31, 32)]

    async def page(number: int) -> Any:
        params = {"page": number, "pageSize": 2}
        return (
            await client.get("/api/receipts", params=params, headers=session_of(account))
        ).json()

    first, second = await page(1), await page(2)

    assert [line["subjectId"] for line in first["data"]] == [str(calls[2]), str(calls[1])]
    assert [line["sequence"] for line in second["data"]] == [1]
    assert first["data"][0]["costMicrocredits"] == 533_333_334
    assert first["data"][0]["previousHash"] == first["data"][1]["hash"]
    assert (first["totalCount"], first["totalPages"]) == (3, 2)
