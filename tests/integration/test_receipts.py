"""Receipts of real calls on real Postgres, read through the real routes, checked by the command."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import httpx2
import pytest
import pytest_asyncio
from fastapi import FastAPI

from billing import charging, receipts, verify
from billing.receipt_keys import BadReceiptKeys, ReceiptKeys, ReceiptKeySettings, new_entry
from billing.receipt_seal import read_keys
from billing.settings import ChargingSettings
from billing.store import receipts as store
from billing.store.receipts import Receipt
from control_plane.app import open_services
from control_plane.http_errors import register_error_handlers
from control_plane.routes.receipts import receipts_router
from shared.call_protocol import CallReport
from shared.clock import SystemClock
from shared.db import Pool, open_pool, transaction
from shared.end_reasons import EndReason
from shared.ids import CallId, new_call_id
from shared.settings import PostgresSettings
from tests import builders
from tests.builders import Account
from tests.web_process import Media, session_token, web_settings

SETTINGS = ChargingSettings()
CONCURRENT_MAX = 64
HUNG_UP: Any = {"reason": EndReason.CALLER_HANGUP, "closed_by": "agent", "source": "agent"}
REAPED: Any = {"reason": EndReason.AGENT_LOST, "closed_by": "reaper", "source": "reaper"}
KEYS = ReceiptKeys.parse(new_entry())

WAITED_S = 7
LOCK_DEADLINE_S = 10
WAITING = """
select count(*) from pg_stat_activity
where datname = current_database() and wait_event_type = 'Lock'
"""

# Time passes by moving the past back: the database's own clock bounds what is believed.
LET_PASS = """
update call_sessions set authorized_at = authorized_at - make_interval(secs => $2),
  answered_at = answered_at - make_interval(secs => $2),
  started_at = started_at - make_interval(secs => $2) where id = $1
"""


@pytest_asyncio.fixture
async def pool(db_dsn: str) -> AsyncIterator[Pool]:
    settings = PostgresSettings.model_validate({"database_url": db_dsn})
    opened = await open_pool(settings, application_name="tests")
    yield opened
    await opened.close()


@asynccontextmanager
async def web(db_dsn: str, media: Media, keys: ReceiptKeys) -> AsyncIterator[httpx2.AsyncClient]:
    """The routes of receipts with the real services around them."""
    app = FastAPI()
    register_error_handlers(app)
    app.include_router(receipts_router(keys))
    async with open_services(web_settings(db_dsn, media), SystemClock()) as services:
        app.state.services = services
        transport = httpx2.ASGITransport(app=app)
        async with httpx2.AsyncClient(transport=transport, base_url="http://web.test") as client:
            yield client


@pytest_asyncio.fixture
async def client(db_dsn: str, no_media: Media) -> AsyncIterator[httpx2.AsyncClient]:
    async with web(db_dsn, no_media, KEYS) as client:
        yield client


def session_of(account: Account) -> dict[str, str]:
    return {"Authorization": f"Bearer {session_token(sub=account.email)}"}


async def open_account(pool: Pool, *, paid: bool = True) -> Account:
    connection: Any
    async with pool.acquire() as connection:
        return await builders.account(connection, balance=500_000, paid=paid)


async def answered_call(pool: Pool, account: Account, *, reports: tuple[int, ...] = ()) -> CallId:
    """A call whose clock began after WAITED_S seconds, reported on at each of `reports`."""
    call_id = new_call_id()
    async with transaction(pool) as tx:
        await charging.authorize(
            tx,
            call_id=call_id,
            user_id=account.user_id,
            settings=SETTINGS,
            concurrent_max=CONCURRENT_MAX,
        )
        started = await charging.start(tx, call_id=call_id, worker_id="w", job_id=str(call_id))
        await tx.execute(LET_PASS, call_id, WAITED_S)
        for before, seconds in pairwise((0, *reports)):
            await tx.execute(LET_PASS, call_id, seconds - before)
            report = CallReport(id=call_id, epoch=started.epoch, seconds=seconds)
            await charging.settle(tx, [report], SETTINGS)
    return call_id


async def close(pool: Pool, call_id: UUID, seconds: int) -> None:
    async with transaction(pool) as tx:
        await charging.close(tx, call_id=call_id, epoch=None, seconds=seconds, **HUNG_UP)


async def billed_call(pool: Pool, account: Account, seconds: int = 37) -> CallId:
    call_id = await answered_call(pool, account, reports=(10, 20))
    await pool.execute(LET_PASS, call_id, seconds - 20)
    await close(pool, call_id, seconds)
    return call_id


async def receipt_of(client: httpx2.AsyncClient, account: Account, call_id: UUID) -> Any:
    answer = await client.get(f"/api/calls/{call_id}/receipt", headers=session_of(account))
    assert answer.status_code == 200, answer.text
    return answer.json()


async def verified(client: httpx2.AsyncClient, folder: Path, documents: list[Any]) -> int:
    """The exit code of the command over these receipts and the published keys."""
    published = await client.get("/.well-known/receipt-keys.json")
    (folder / "receipt-keys.json").write_text(published.text)
    paths = [folder / f"{number}.json" for number in range(len(documents))]
    for path, document in zip(paths, documents, strict=True):
        path.write_text(json.dumps(document))
    return verify.main([str(path) for path in paths])


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
    assert body["rate_card_version"] == 1
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


async def until_waiting(pool: Pool, backends: int) -> None:
    """Until so many connections of this database wait for a lock."""
    async with asyncio.timeout(LOCK_DEADLINE_S):
        while await pool.fetchval(WAITING) < backends:
            await asyncio.sleep(0.02)


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


async def test_without_keys_the_receipt_waits_for_its_signature(
    db_dsn: str, no_media: Media, pool: Pool, tmp_path: Path
) -> None:
    account = await open_account(pool)
    call_id = await billed_call(pool, account)
    path = f"/api/calls/{call_id}/receipt"

    async with web(db_dsn, no_media, ReceiptKeys()) as unkeyed:
        answer = await unkeyed.get(path, headers=session_of(account))
        page = await unkeyed.get(path, params={"format": "html"}, headers=session_of(account))
        published = await unkeyed.get("/.well-known/receipt-keys.json")
    assert (answer.status_code, answer.json()["code"]) == (503, "receipts_not_configured")
    assert page.status_code == 200
    assert "Not signed yet" in page.text
    assert published.json() == {"keys": []}

    async with web(db_dsn, no_media, KEYS) as keyed:
        document = await receipt_of(keyed, account, call_id)
        assert await verified(keyed, tmp_path, [document]) == 0

    async with web(db_dsn, no_media, ReceiptKeys()) as unkeyed:  # it was stored with its signature
        assert await receipt_of(unkeyed, account, call_id) == document


async def test_a_rotated_key_signs_what_comes_and_proves_what_was(
    db_dsn: str, no_media: Media, pool: Pool, tmp_path: Path
) -> None:
    old, new = new_entry(), new_entry()
    account = await open_account(pool)
    first, second = [await billed_call(pool, account) for _ in range(2)]
    async with web(db_dsn, no_media, ReceiptKeys.parse(old)) as before:
        signed_before = await receipt_of(before, account, first)

    async with web(db_dsn, no_media, ReceiptKeys.parse(f"{new},{old}")) as after:
        documents = [await receipt_of(after, account, call_id) for call_id in (first, second)]

        assert documents[0] == signed_before
        assert documents[0]["keyId"] == old.partition(":")[0]
        assert documents[1]["keyId"] == new.partition(":")[0]
        assert await verified(after, tmp_path, documents) == 0


async def test_two_processes_that_sign_at_once_answer_the_same(
    db_dsn: str, no_media: Media, pool: Pool
) -> None:
    """In the middle of a rotation they have different keys."""
    keys = [ReceiptKeys.parse(new_entry()).signer for _ in range(8)]
    account = await open_account(pool)
    call_id = await billed_call(pool, account)

    async def read(key: Any) -> tuple[str | None, str | None]:
        async with transaction(pool) as tx:
            receipt = await receipts.receipt_of_call(tx, call_id=call_id, owner=account.user_id)
            receipt = await receipts.signed(tx, receipt, key)
        return receipt.key_id, receipt.signature

    assert len(set(await asyncio.gather(*(read(key) for key in keys)))) == 1


async def test_a_written_receipt_cannot_be_changed(pool: Pool, client: httpx2.AsyncClient) -> None:
    account = await open_account(pool)
    await receipt_of(client, account, await billed_call(pool, account))
    unsigned = await billed_call(pool, account)
    signed_first = "signature = 's', key_id = 'k'"

    refused = [
        "delete from receipts",
        "truncate receipts",
        "update receipts set signature = null, key_id = null where signature is not null",
        f"update receipts set {signed_first} where signature is not null",
        f"update receipts set {signed_first}, sequence = 9 where signature is null",
        f"update receipts set {signed_first}, issued_at = now() where signature is null",
        f"update receipts set {signed_first}, body = '{{}}', hash = encode(sha256('{{}}'), 'hex')",
        "update receipts set user_id = user_id where signature is null",
    ]
    for statement in refused:
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="append-only"):
            await pool.execute(statement)
    with pytest.raises(asyncpg.CheckViolationError):  # a body that is not its hash
        await pool.execute(
            "insert into receipts(id, user_id, sequence, kind, subject_id, body, hash,"
            " previous_hash, issued_at) select gen_random_uuid(), user_id, 99, kind,"
            " gen_random_uuid(), '{}', hash, previous_hash, issued_at from receipts limit 1"
        )

    await pool.execute(f"update receipts set {signed_first} where subject_id = $1", unsigned)


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


def test_a_key_never_shows_its_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    entry = new_entry()
    seed = entry.partition(":")[2]
    monkeypatch.setenv("RECEIPT_SIGNING_KEYS", entry)
    settings = ReceiptKeySettings()

    keys = ReceiptKeys.of(settings)

    assert keys.signer
    assert seed not in f"{settings!r} {keys!r} {keys.key_set()}"


@pytest.mark.parametrize(
    "text",
    ["k", "k:", "k:AAAA", ":{seed}", "k:{seed},k:{seed}", "k:{seed},", "k k:{seed}", "k:{seed}!"],
)
def test_unusable_keys_stop_the_process_without_telling_the_seed(text: str) -> None:
    seed = new_entry().partition(":")[2]

    with pytest.raises(BadReceiptKeys) as refused:
        ReceiptKeys.parse(text.replace("{seed}", seed))

    assert seed not in str(refused.value)
    assert refused.value.__suppress_context__ or refused.value.__context__ is None
