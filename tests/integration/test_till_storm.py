"""
The ledger is Stripe's truth, whatever order, number or loss of webhooks.

Each seed is another storm; the control applies what the events carry, as many shops do, and ends
wrong: so the storm is strong enough to tell.
"""

import asyncio
import json
from datetime import timedelta

import pytest
import stripe

from billing.payments import sync_charge
from billing.stripe_reading import read_charge
from control_plane import stripe_inbox
from shared.clock import SystemClock
from shared.db import transaction
from tests.fakes.stripe_server import Trouble, WebhookFaults
from tests.integration.plan_desk import Club, club, shop, stripe_fake
from tests.integration.till_desk import Shop
from tests.integration.till_storm import SOLD, Storm, ledger_of, truth_of, whole_truth

__all__ = ["club", "shop", "stripe_fake"]

FAULTS = WebhookFaults(drop=0.1, duplicate=0.3, reorder=0.3, forge=0.1, fail=0.1, delay_s_max=0.2)


@pytest.mark.parametrize("seed", range(3))
async def test_the_ledger_ends_at_stripes_truth(club: Club, seed: int) -> None:
    shop = club.shop
    shop.stripe.webhooks.misbehave(FAULTS, seed=seed)
    shop.stripe.api.trouble.by_chance({Trouble.FAILS: 0.01, Trouble.CUTS_DONE: 0.01}, seed=seed)

    storm = Storm(club, seed)
    await storm.rage(people=6, steps=10, workers=3)

    shop.stripe.api.trouble.clear()
    await shop.stripe.webhooks.settled()
    await shop.inbox.sweep()
    await shop.drain()
    truth = await whole_truth(club, storm.buyers)
    assert await ledger_of(shop) == truth
    assert sum(truth.values()) > 0
    assert shop.stripe.account.all("subscription"), "the storm is one of plans, too"
    grants = await shop.web.db.fetch(
        "select charge_id from payments p where (select count(*) from credit_transactions"
        " where kind in ('topup', 'subscription_grant') and source_id like p.charge_id || ':%') > 1"
    )
    assert grants == []
    await shop.assert_books_are_right()
    left = await shop.web.db.fetch(
        "select kind, last_error from webhook_inbox where source = 'stripe' and handled_at is null"
    )
    assert left == []


async def test_every_event_lost_but_the_sweep_is_enough(club: Club) -> None:
    club.stripe.webhooks.misbehave(WebhookFaults(drop=1), seed=1)
    storm = Storm(club, 7)
    await storm.rage(people=3, steps=8, workers=1)
    await club.shop.inbox.sweep()
    await club.shop.drain()

    assert await ledger_of(club.shop) == await whole_truth(club, storm.buyers)


async def test_applying_what_events_carry_ends_wrong(shop: Shop) -> None:
    """The negative control: the same faults, each event once, its content believed."""
    pool = shop.web.app.state.services.pool
    seen: set[str] = set()

    async def believe(body: bytes, _headers: dict[str, str]) -> int:
        event = stripe.Event.construct_from(json.loads(body), key="")
        if event.id in seen or event.data.object["object"] != "charge":
            return 200
        seen.add(event.id)
        charge = read_charge(event.data.object, disputes=[], invoice=None)
        async with transaction(pool) as tx:
            user_id = await tx.fetchval(
                "select user_id from topups where id::text = $1", charge.metadata["topup_id"]
            )
            grant = SOLD[charge.amount]
            await sync_charge(tx, charge, user_id=user_id, credits=grant, kind="topup")
        return 200

    shop.stripe.webhooks.to(believe)
    shop.stripe.webhooks.misbehave(WebhookFaults(reorder=0.5, delay_s_max=0.1), seed=1)
    for _ in range(8):
        buyer = await shop.buyer()
        checkout_id = await shop.opened(buyer)
        session = shop.stripe.desk.pay_checkout(checkout_id)
        charge = shop.stripe.account.kept[session["payment_intent"]]["latest_charge"]
        for _ in range(4):
            shop.stripe.desk.refund(charge, 100)
            await asyncio.sleep(0)
    await shop.stripe.webhooks.settled()

    assert await ledger_of(shop) != truth_of(shop.stripe)

    long_ago = SystemClock().now() - timedelta(days=2)
    # The same account, read level-triggered, comes right.
    await stripe_inbox.put(pool, [event async for event in shop.inbox.till.events_since(long_ago)])
    await shop.drain()
    assert await ledger_of(shop) == truth_of(shop.stripe)
