"""A receipt is signed once, by whoever first reads it, and never changed."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncpg
import httpx2
import pytest
import pytest_asyncio

from billing import receipts
from billing.receipt_keys import ReceiptKeys, new_entry
from shared.db import Pool, open_pool, transaction
from shared.settings import PostgresSettings
from tests.integration.receipted_calls import (
    KEYS,
    billed_call,
    open_account,
    receipt_of,
    session_of,
    verified,
    web,
)
from tests.web_process import Media


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
