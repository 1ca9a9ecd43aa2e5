"""
Somebody who subscribes: the shop of `till_desk.py`, with plans that are for sale.

`club` is a fixture; a test imports it: `from tests.integration.plan_desk import club, shop,
stripe_fake`.
"""

import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any

import asyncpg
import httpx2
import pytest_asyncio

from billing import plans
from billing.money import MICRO
from billing.store import subscriptions as subscriptions_store
from tests.fakes.stripe.account import Doc
from tests.fakes.stripe_server import FakeStripe
from tests.integration.till_desk import Shop, shop, stripe_fake
from tests.web_process import Caller

__all__ = ["Club", "club", "shop", "stripe_fake"]

PLANS = {"starter": (500, 11_500), "standard": (1_000, 28_750), "pro": (7_500, 345_000)}


@dataclass(frozen=True, slots=True)
class Club:
    """`prices` are Stripe's ids of the prices of the plans."""

    shop: Shop
    prices: Mapping[str, str]

    @property
    def stripe(self) -> FakeStripe:
        return self.shop.stripe

    @property
    def db(self) -> "asyncpg.Connection[asyncpg.Record]":
        return self.shop.web.db

    async def member(self) -> Caller:
        return await self.shop.web.account(balance=0)

    async def ask(self, member: Caller, plan: str, *, key: str = "") -> httpx2.Response:
        headers = {**member.headers, **({"Idempotency-Key": key} if key else {})}
        body = json.dumps({"planId": plan})
        return await self.shop.web.client.post(
            "/api/subscription/checkout", content=body, headers=headers
        )

    async def page(self, member: Caller, plan: str) -> str:
        """The id of Stripe's page."""
        answer = await self.ask(member, plan)
        assert answer.status_code == 200, answer.text
        checkout_id: str = await self.db.fetchval(
            "select checkout_id from subscription_orders where id = $1", answer.json()["orderId"]
        )
        return checkout_id

    async def subscribed(self, member: Caller, plan: str = "starter") -> str:
        """Paid, and known here. The id of the subscription."""
        paid = self.stripe.desk.pay_checkout(await self.page(member, plan))
        await self.heard()
        subscription: str = paid["subscription"]
        return subscription

    async def heard(self) -> None:
        """All webhooks came and were worked off."""
        await self.stripe.webhooks.settled()
        await self.shop.drain()

    async def advance(self, *, days: float = 0, hours: float = 0) -> None:
        self.stripe.desk.advance(days=days, hours=hours)
        await self.heard()

    async def standing(self, member: Caller) -> dict[str, Any]:
        answer = await member.get("/api/subscription")
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def net(self, member: Caller) -> int:
        """Micro-credits that all postings of Stripe's made together."""
        total: int = await self.db.fetchval(
            "select coalesce(sum(amount), 0)::bigint from credit_transactions"
            " where user_id = $1 and source = 'stripe'",
            member.account.user_id,
        )
        return total

    async def customer(self, member: Caller) -> str:
        customer: str = await self.db.fetchval(
            "select customer from stripe_customers where user_id = $1", member.account.user_id
        )
        return customer

    async def invoices(self, member: Caller) -> list[Doc]:
        return self.stripe.account.all("invoice", customer=await self.customer(member))

    async def charges(self, member: Caller) -> list[Doc]:
        """Paid ones, newest first."""
        found = self.stripe.account.all("charge", customer=await self.customer(member))
        return [charge for charge in found if charge["paid"]]

    async def truth(
        self, member: Caller, extra: Mapping[str, tuple[int, int]] | None = None
    ) -> int:
        """Micro-credits that this customer ought to have got, from Stripe's own documents alone."""
        worth = {self.prices[plan]: of_plan for plan, of_plan in PLANS.items()} | dict(extra or {})
        total = 0
        for invoice in await self.invoices(member):
            if invoice["status"] != "paid":
                continue
            whole = 0
            for line in invoice["lines"]["data"]:
                amount, credits_ = worth[line["pricing"]["price_details"]["price"]]
                size = abs(line["amount"]) * credits_ * MICRO // amount
                whole += size if line["amount"] >= 0 else -size
            total += whole
            for charge in self._charges_of(invoice):
                share = whole * charge["amount"] // max(invoice["total"], charge["amount"])
                if whole > 0:
                    total -= share * min(charge["amount"], self._gone(charge)) // charge["amount"]
        return total

    def _charges_of(self, invoice: Doc) -> list[Doc]:
        account = self.stripe.account
        paid = account.all("invoice_payment", invoice=invoice["id"], status="paid")
        intents = [account.kept[each["payment"]["payment_intent"]] for each in paid]
        return [account.kept[intent["latest_charge"]] for intent in intents]

    def _gone(self, charge: Doc) -> int:
        disputes = self.stripe.account.all("dispute", charge=charge["id"])
        lost = [each["amount"] for each in disputes if each["status"] not in _OURS]
        gone: int = charge["amount_refunded"] + sum(lost)
        return gone

    async def assert_the_truth(
        self, member: Caller, extra: Mapping[str, tuple[int, int]] | None = None
    ) -> None:
        """`extra`: prices beside those of `PLANS`, each with its amount and its whole credits."""
        assert await self.net(member) == await self.truth(member, extra)
        assert await subscriptions_store.violations(self.db, limit=5) == []
        await self.shop.assert_books_are_right()


_OURS = {"won", "warning_closed"}


@pytest_asyncio.fixture
async def club(shop: Shop) -> AsyncIterator[Club]:
    prices = {}
    for plan, (amount, _) in PLANS.items():
        prices[plan] = shop.stripe.desk.price(amount, every="month")
        await plans.edit(shop.web.db, plan, {"stripe_price": prices[plan]})
    yield Club(shop, prices)
    assert await subscriptions_store.violations(shop.web.db, limit=5) == []
