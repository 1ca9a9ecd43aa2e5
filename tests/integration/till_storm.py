"""
People who buy, subscribe, get refunds, dispute and call, at random, while months pass and webhooks
and workers misbehave.

`truth_of` is what Stripe knows of top-ups, computed here anew from its objects, `whole_truth` of
plans too; the ledger must end there.
"""

import asyncio
import random
from contextlib import suppress
from dataclasses import dataclass, field, replace
from uuid import UUID

from billing import charging
from billing.money import from_credits
from billing.settings import ChargingSettings
from shared.call_protocol import CallReport
from shared.db import transaction
from shared.end_reasons import EndReason
from shared.errors import AppError
from shared.ids import new_call_id
from tests.fakes.stripe.refusals import StripeRefusal
from tests.fakes.stripe_server import FakeStripe
from tests.integration.plan_desk import Club
from tests.integration.till_desk import Shop
from tests.web_process import Caller

SOLD = {500: from_credits(10_000), 1_000: from_credits(25_000)}  # by amount, of the two packages
TOOK_NOTHING = {"won", "warning_closed"}
SETTINGS = ChargingSettings(call_min_credits=10, grant_seconds=20, grant_low_seconds=10)
WORKER_LIFE_S = 0.3


def truth_of(stripe: FakeStripe) -> dict[str, int]:
    """Micro-credits that each account has bought and not got its money back for, by user id."""
    kept: dict[str, int] = {}
    for session in stripe.account.all("checkout.session", mode="payment"):
        user_id = session["client_reference_id"]
        kept.setdefault(user_id, 0)
        if session["payment_intent"] is None:
            continue
        for charge in stripe.account.all("charge", payment_intent=session["payment_intent"]):
            if not charge["paid"]:
                continue
            disputed = sum(
                dispute["amount"]
                for dispute in stripe.account.all("dispute", charge=charge["id"])
                if dispute["status"] not in TOOK_NOTHING
            )
            amount, grant = charge["amount"], SOLD[charge["amount"]]
            gone = min(amount, charge["amount_refunded"] + disputed)
            kept[user_id] += grant - grant * gone // amount
    return kept


async def whole_truth(club: Club, buyers: list[Caller]) -> dict[str, int]:
    """As `truth_of`, with what the paid invoices of plans give."""
    topups = truth_of(club.stripe)
    return {
        str(buyer.account.user_id): topups.get(str(buyer.account.user_id), 0)
        + (await club.truth(buyer) if await club.customer(buyer) else 0)
        for buyer in buyers
    }


async def ledger_of(shop: Shop) -> dict[str, int]:
    """Micro-credits that came through Stripe and stayed, by user id."""
    rows = await shop.web.db.fetch(
        "select p.id, coalesce(sum(t.amount), 0)::bigint net from profiles p"
        " left join credit_transactions t on t.user_id = p.id and t.source = 'stripe' group by p.id"
    )
    return {str(row["id"]): row["net"] for row in rows}


@dataclass
class Storm:
    club: Club
    seed: int
    dice: random.Random = field(init=False)
    buyers: list[Caller] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.dice = random.Random(self.seed)

    @property
    def shop(self) -> Shop:
        return self.club.shop

    async def rage(self, *, people: int, steps: int, workers: int) -> None:
        self.buyers = [await self.shop.buyer(balance=50) for _ in range(people)]
        working = [asyncio.create_task(self._work()) for _ in range(workers)]
        try:
            async with asyncio.timeout(60), asyncio.TaskGroup() as tasks:
                for buyer in self.buyers:
                    tasks.create_task(self._live(buyer, steps))
        finally:
            for task in working:
                task.cancel()
            await asyncio.gather(*working, return_exceptions=True)

    async def _work(self) -> None:
        """Workers that are killed in the middle of whatever they do, one after the other."""
        while True:
            worker = asyncio.create_task(replace(self.shop.inbox).run())
            try:
                await asyncio.sleep(self.dice.random() * WORKER_LIFE_S)
            finally:
                worker.cancel()
                await asyncio.gather(worker, return_exceptions=True)

    async def _live(self, buyer: Caller, steps: int) -> None:
        deeds = [self._buy, self._buy, self._subscribe, self._subscribe, self._regret]
        deeds += [self._dispute, self._call, self._change_the_plan, self._let_a_month_pass]
        for _ in range(steps):
            step = self.dice.choice(deeds)
            with suppress(StripeRefusal, AppError):
                await step(buyer)

    async def _buy(self, buyer: Caller) -> None:
        package = self.dice.choice(["starter", "standard"])
        tabs = self.dice.choice([1, 1, 2])
        answers = await asyncio.gather(
            *(self.shop.checkout(buyer, packageId=package) for _ in range(tabs))
        )
        for answer in answers:
            if answer.status_code != 200:  # Stripe was away
                continue
            checkout_id = await self.shop.web.app.state.services.pool.fetchval(
                "select checkout_id from topups where id = $1", answer.json()["id"]
            )
            card = self.dice.choice(["pays", "pays", "pays", "declined", "slow"])
            session = self.shop.stripe.desk.pay_checkout(checkout_id, card)
            if self.dice.random() < 0.5:
                await self.shop.come_back(checkout_id)
            if card == "slow":
                pays = self.dice.random() < 0.5
                self.shop.stripe.desk.settle(session["payment_intent"], pays=pays)

    async def _subscribe(self, buyer: Caller) -> None:
        """In one tab, or in two for two plans, of which one is paid."""
        wishes = self.dice.sample(["starter", "standard", "pro"], self.dice.choice([1, 1, 2]))
        for answer in await asyncio.gather(*(self.club.ask(buyer, plan) for plan in wishes)):
            if answer.status_code != 200:  # has one, or Stripe was away
                continue
            checkout_id = await self.shop.web.app.state.services.pool.fetchval(
                "select checkout_id from subscription_orders where id = $1",
                answer.json()["orderId"],
            )
            card = self.dice.choice(["pays", "pays", "pays", "declined"])
            with suppress(StripeRefusal):  # closed by the other tab
                self.shop.stripe.desk.pay_checkout(checkout_id, card)
            if self.dice.random() < 0.5:
                await self.shop.come_back(checkout_id)

    async def _change_the_plan(self, buyer: Caller) -> None:
        desk, account = self.shop.stripe.desk, self.shop.stripe.account
        customer = self._customer_of(buyer) or ""
        running = [
            it["id"]
            for it in account.all("subscription")
            if it["customer"] == customer and it["status"] in {"active", "past_due"}
        ]
        if not running:
            return
        match self.dice.choice(["change", "change", "cancel", "resume", "fail", "recover"]):
            case "change":
                price = self.club.prices[self.dice.choice(["starter", "standard", "pro"])]
                desk.change_plan(running[0], price)
            case "cancel":
                desk.cancel_plan(running[0])
            case "resume":
                desk.resume_plan(running[0])
            case "fail":
                desk.bank_says(customer, "declined")
            case "recover":
                desk.bank_says(customer, "pays")

    async def _let_a_month_pass(self, buyer: Caller) -> None:  # noqa: ARG002 - everybody's month
        self.shop.stripe.desk.advance(days=self.dice.choice([1, 8, 31]))

    async def _regret(self, buyer: Caller) -> None:
        charge = self._charge_of(buyer)
        self.shop.stripe.desk.refund(charge, self.dice.choice([1, 33, 100, 250, None]))

    async def _dispute(self, buyer: Caller) -> None:
        dispute = self.shop.stripe.desk.open_dispute(self._charge_of(buyer))
        await asyncio.sleep(self.dice.random() * 0.1)
        if self.dice.random() < 0.7:
            won = self.dice.random() < 0.5
            self.shop.stripe.desk.close_dispute(dispute["id"], won=won)

    async def _call(self, buyer: Caller) -> None:
        pool = self.shop.web.app.state.services.pool
        call_id: UUID = new_call_id()
        user_id = buyer.account.user_id
        async with transaction(pool) as tx:
            await charging.authorize(tx, call_id=call_id, user_id=user_id, settings=SETTINGS)
        async with transaction(pool) as tx:
            started = await charging.start(tx, call_id=call_id, worker_id="w", job_id="j")
        for seconds in (1, 2):
            async with transaction(pool) as tx:
                report = CallReport(id=call_id, epoch=started.epoch, seconds=seconds)
                await charging.settle(tx, [report], SETTINGS)
            await asyncio.sleep(0)
        async with transaction(pool) as tx:
            await charging.close(
                tx,
                call_id=call_id,
                epoch=started.epoch,
                seconds=2,
                reason=EndReason.CALLER_HANGUP,
                closed_by="agent",
                source="agent",
            )

    def _customer_of(self, buyer: Caller) -> str | None:
        user_id = str(buyer.account.user_id)
        made = self.shop.stripe.account.all("customer")
        return next((it["id"] for it in made if it["metadata"].get("user_id") == user_id), None)

    def _charge_of(self, buyer: Caller) -> str:
        customer = self._customer_of(buyer)
        found = [
            charge["id"]
            for charge in self.shop.stripe.account.all("charge")
            if customer and charge["customer"] == customer
        ]
        if not found:
            raise StripeRefusal(404, "nothing", "nothing was bought yet", "nothing")
        chosen: str = self.dice.choice(found)
        return chosen
