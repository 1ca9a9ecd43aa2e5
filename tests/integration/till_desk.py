"""
Somebody who buys credit: the web process, the fake Stripe, and a worker of the inbox.

`shop` is a fixture; a test imports it with what it needs: `from tests.integration.till_desk import
shop, stripe_fake`.
"""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx2
import pytest_asyncio

from billing.store import payments
from billing.stripe_gateway import StripeGateway
from billing.stripe_settings import StripeSettings
from control_plane.stripe_inbox import StripeInbox, syncs_of
from shared.clock import SystemClock
from tests import builders
from tests.fakes.stripe_server import FakeStripe
from tests.integration.till_rig import stripe_fake, till_settings
from tests.web_process import Caller, Media, Web, running_web, web_settings

__all__ = ["Shop", "shop", "stripe_fake"]

WEBHOOK = "/api/stripe/webhook"


@dataclass(frozen=True, slots=True)
class Shop:
    web: Web
    stripe: FakeStripe
    inbox: StripeInbox

    async def buyer(self, *, balance: int = 0) -> Caller:
        return await self.web.account(balance=balance)

    async def checkout(self, buyer: Caller, *, key: str = "", **wish: Any) -> httpx2.Response:
        headers = {**buyer.headers, **({"Idempotency-Key": key} if key else {})}
        body = json.dumps(wish or {"packageId": "starter"})
        return await self.web.client.post("/api/checkout", content=body, headers=headers)

    async def opened(self, buyer: Caller, **wish: Any) -> str:
        """The id of the Stripe session of a new payment page."""
        answer = await self.checkout(buyer, **wish)
        assert answer.status_code == 200, answer.text
        checkout_id: str = await self.web.app.state.services.pool.fetchval(
            "select checkout_id from topups where id = $1", answer.json()["id"]
        )
        return checkout_id

    async def come_back(self, checkout_id: str) -> httpx2.Response:
        return await self.web.client.get(f"/checkout/success?session_id={checkout_id}")

    async def bought(self, buyer: Caller, **wish: Any) -> str:
        """A charge that was paid and credited."""
        checkout_id = await self.opened(buyer, **wish)
        session = self.stripe.desk.pay_checkout(checkout_id)
        answer = await self.come_back(checkout_id)
        assert answer.status_code == 200, answer.text
        intent = self.stripe.account.kept[session["payment_intent"]]
        charge: str = intent["latest_charge"]
        return charge

    async def receive(self, body: bytes, headers: dict[str, str]) -> int:
        answer = await self.web.client.post(WEBHOOK, content=body, headers=headers)
        return answer.status_code

    async def credits(self, buyer: Caller) -> Any:
        return (await buyer.get("/api/credits")).json()["amount"]

    async def drain(self) -> None:
        """All that is due, and all that waits to be tried again."""
        await self.web.db.execute("update webhook_inbox set due_at = clock_timestamp()")
        while await self.inbox.round():
            pass

    async def assert_books_are_right(self) -> None:
        assert await builders.violations(self.web.db) == []
        assert await payments.violations(self.web.db, limit=5) == []


@pytest_asyncio.fixture
async def shop(db_dsn: str, no_media: Media, stripe_fake: FakeStripe) -> AsyncIterator[Shop]:
    settings = web_settings(db_dsn, no_media, **till_settings(stripe_fake))
    till = StripeGateway.open(StripeSettings.model_validate(till_settings(stripe_fake)))
    async with running_web(settings) as web:
        pool = web.app.state.services.pool
        inbox = StripeInbox(pool, till, SystemClock(), syncs_of(pool, till))
        running = Shop(web, stripe_fake, inbox)
        stripe_fake.webhooks.to(running.receive)
        yield running
        await running.assert_books_are_right()
    await till.close()
