"""Real calls that are closed, and the routes of their receipts."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx2
from fastapi import FastAPI

from billing import charging, verify
from billing.receipt_keys import ReceiptKeys, new_entry
from billing.settings import ChargingSettings
from control_plane.app import open_services
from control_plane.http_errors import register_error_handlers
from control_plane.routes.receipts import receipts_router
from shared.call_protocol import CallReport
from shared.clock import SystemClock
from shared.db import Pool, transaction
from shared.end_reasons import EndReason
from shared.ids import CallId, new_call_id
from tests import builders
from tests.builders import Account
from tests.web_process import Media, session_token, web_settings

SETTINGS = ChargingSettings()
CONCURRENT_MAX = 64
HUNG_UP: Any = {"reason": EndReason.CALLER_HANGUP, "closed_by": "agent", "source": "agent"}


KEYS = ReceiptKeys.parse(new_entry())
WAITED_S = 7


# Time passes by moving the past back: the database's own clock bounds what is believed.
LET_PASS = """
update call_sessions set authorized_at = authorized_at - make_interval(secs => $2),
  answered_at = answered_at - make_interval(secs => $2),
  started_at = started_at - make_interval(secs => $2) where id = $1
"""


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
