"""
How fast money becomes credit: webhooks accepted, settled, and the wait of one buyer.

The till is a program of its own that speaks Stripe's API; the stack is given its address. Anchor in
the same run: a FastAPI route that does nothing with the same bodies.
"""

import asyncio
import hashlib
import hmac
import itertools
import json
import statistics
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

import httpx2

from billing.accounts import account_for
from billing.money import from_credits
from billing.store import customers, topups
from billing.stripe_gateway import StripeGateway
from billing.stripe_settings import StripeSettings
from local.bench.http_load import LoadResult, request_bytes, run_load
from local.ports import free_ports
from local.stack import Stack
from shared.clock import SystemClock
from shared.db import Pool, open_pool, transaction
from shared.ids import new_uuid
from shared.settings import PostgresSettings

START_MAX_S: Final = 20.0
ROUND_S: Final = 4.0
ROUNDS: Final = 3
CONNECTIONS: Final = 16
SETTLED: Final = 200  # payments whose webhooks come at once
WAITS: Final = 100  # payments one after the other
SETTLE_MAX_S: Final = 120.0
POLL_S: Final = 0.002
WEBHOOK: Final = "/api/stripe/webhook"
_CLOCK = SystemClock()


@dataclass(frozen=True, slots=True)
class Row:
    name: str
    per_second: float
    p50_ms: float
    p99_ms: float


@asynccontextmanager
async def stripe_like() -> AsyncIterator[dict[str, str]]:
    """A process that speaks Stripe's API; the settings that lead the stack to it."""
    port = free_ports().voice
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.fakes.stripe_server", str(port)),
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        assert process.stdout is not None
        async with asyncio.timeout(START_MAX_S):
            words = (await process.stdout.readline()).decode().split()
        yield {
            "STRIPE_BASE_URL": words[0],
            "STRIPE_SECRET_KEY": words[2],
            "STRIPE_WEBHOOK_SECRET": words[-1],
            "LOCAL_REAL_TILL": "1",
        }
    finally:
        process.terminate()
        await process.wait()


async def run(stack: Stack, noop_port: int, stripe: Mapping[str, str]) -> list[Row]:
    """The stack needs postgres, web and jobs, and the settings of `stripe_like`."""
    port = int(stack.control_plane_url.rpartition(":")[2])
    secret, numbers = stripe["STRIPE_WEBHOOK_SECRET"], itertools.count()
    noop: list[LoadResult] = []
    ours: list[LoadResult] = []
    for _ in range(ROUNDS):
        noop.append(await _load(noop_port, "/noop", secret, numbers))
        ours.append(await _load(port, WEBHOOK, secret, numbers))
    settings = PostgresSettings.model_validate({"database_url": stack.database_url})
    pool = await open_pool(settings, application_name="bench")
    try:
        await _until_empty(pool)
        settled, waits = await _settle(pool, stack.control_plane_url, stripe)
    finally:
        await pool.close()
    return [
        _row("no-op FastAPI route", noop),
        _row("webhooks verified and stored", ours),
        Row("payments settled, all webhooks at once", settled, 0, 0),
        Row(
            "webhook to spendable credit, one at a time",
            len(waits) / sum(waits),
            statistics.median(waits) * 1000,
            sorted(waits)[int(0.99 * len(waits))] * 1000,
        ),
    ]


async def _load(port: int, path: str, secret: str, numbers: "itertools.count[int]") -> LoadResult:
    def requests_of(_connection: int) -> Iterator[bytes]:
        for number in numbers:
            body = _event(f"evt_load_{number}", "product.updated", "product", f"prod_{number}")
            yield request_bytes("POST", path, body=body, headers=_signed(body, secret))

    return await run_load(
        port=port, connections=CONNECTIONS, duration_s=ROUND_S, requests_of=requests_of
    )


async def _settle(pool: Pool, web_url: str, stripe: Mapping[str, str]) -> tuple[float, list[float]]:
    """Payments settled a second, and seconds from a webhook to the credit."""
    till = StripeGateway.open(
        StripeSettings.model_validate({name.lower(): value for name, value in stripe.items()})
    )
    secret = stripe["STRIPE_WEBHOOK_SECRET"]
    async with httpx2.AsyncClient(base_url=web_url) as client:
        try:
            buyer, customer = await _buyer(pool, till, stripe["STRIPE_BASE_URL"])
            charges = [await _paid(pool, till, buyer, customer) for _ in range(SETTLED + WAITS)]
            began_s = _CLOCK.monotonic()
            await asyncio.gather(
                *(_deliver(client, charge, secret) for charge in charges[:SETTLED])
            )
            await _until_posted(pool, buyer, SETTLED)
            at_once_s = _CLOCK.monotonic() - began_s
            waits = []
            for count, charge in enumerate(charges[SETTLED:], start=SETTLED + 1):
                began_s = _CLOCK.monotonic()
                await _deliver(client, charge, secret)
                await _until_posted(pool, buyer, count)
                waits.append(_CLOCK.monotonic() - began_s)
        finally:
            await till.close()
    return SETTLED / at_once_s, waits


async def _buyer(pool: Pool, till: StripeGateway, stripe_url: str) -> tuple[UUID, str]:
    async with transaction(pool) as tx:
        account = await account_for(
            tx, issuer="bench", subject=str(new_uuid()), email=None, signup_credits=0
        )
        await customers.intend(tx, account.id)
    customer = await till.create_customer(
        user_id=str(account.id), email=None, key=f"customer:{account.id}"
    )
    async with httpx2.AsyncClient() as client:
        await client.post(f"{stripe_url}/_test/save_card", json={"customer": customer})
    return account.id, customer


async def _paid(pool: Pool, till: StripeGateway, buyer: UUID, customer: str) -> str:
    """A charge that nobody here has heard of; its webhook is not sent."""
    topup_id = new_uuid()
    async with transaction(pool) as tx:
        await topups.insert(
            tx,
            topup_id=topup_id,
            user_id=buyer,
            kind="checkout",
            package_id="starter",
            promotion_id=None,
            amount=500,
            currency="usd",
            credits_=from_credits(10_000),
            save_card=False,
            due_in_s=3_600,
        )
    paid = await till.pay_off_session(
        customer=customer,
        amount=500,
        currency="usd",
        metadata={"topup_id": str(topup_id)},
        key=f"topup:{topup_id}",
    )
    assert paid.latest_charge, "the card pays"
    return paid.latest_charge


async def _deliver(client: httpx2.AsyncClient, charge: str, secret: str) -> None:
    body = _event(f"evt_{charge}", "charge.succeeded", "charge", charge)
    answer = await client.post(WEBHOOK, content=body, headers=_signed(body, secret))
    answer.raise_for_status()


async def _until_posted(pool: Pool, buyer: UUID, count: int) -> None:
    """Until the ledger has so many top-ups; asked often, by an index."""
    async with asyncio.timeout(SETTLE_MAX_S):
        while True:
            posted = await pool.fetchval(
                "select count(*) from credit_transactions where user_id = $1", buyer
            )
            if posted >= count:
                return
            await asyncio.sleep(POLL_S)


async def _until_empty(pool: Pool) -> None:
    async with asyncio.timeout(SETTLE_MAX_S):
        while await pool.fetchval("select count(*) from webhook_inbox where handled_at is null"):
            await asyncio.sleep(POLL_S * 50)


def _event(event_id: str, kind: str, object_type: str, object_id: str) -> bytes:
    """As large as Stripe's are, with what is read of them."""
    event: dict[str, Any] = {
        "id": event_id,
        "object": "event",
        "type": kind,
        "created": int(_CLOCK.now().timestamp()),
        "data": {"object": {"id": object_id, "object": object_type, "description": "x" * 2_000}},
    }
    return json.dumps(event).encode()


def _signed(body: bytes, secret: str) -> dict[str, str]:
    at_s = int(_CLOCK.now().timestamp())
    digest = hmac.new(secret.encode(), f"{at_s}.".encode() + body, hashlib.sha256).hexdigest()
    return {"stripe-signature": f"t={at_s},v1={digest}", "content-type": "application/json"}


def _row(name: str, results: list[LoadResult]) -> Row:
    assert not sum(result.failed for result in results), f"{name}: some were refused"
    middle = sorted(results, key=lambda result: result.per_second)[len(results) // 2]
    return Row(name, middle.per_second, middle.quantile_ms(0.5), middle.quantile_ms(0.99))
