"""The inbox of Stripe's events: tried again, given up visibly, swept for what was lost."""

import asyncio
from dataclasses import dataclass, replace
from typing import Any

import pytest

from billing import topups
from billing.stripe_objects import StripeEvent
from control_plane import stripe_inbox
from control_plane.store import stripe_inbox as store
from control_plane.stripe_inbox import ATTEMPTS_MAX, StripeInbox, syncs_of
from shared.clock import SystemClock
from tests.fakes.stripe_server import Trouble, WebhookFaults
from tests.integration.till_desk import Shop, shop, stripe_fake

__all__ = ["shop", "stripe_fake"]


async def put(shop: Shop, object_type: str, object_id: str, *, event_id: str = "evt_1") -> None:
    event = StripeEvent(
        id=event_id,
        kind="some.kind",
        created_at=SystemClock().now(),
        object_type=object_type,
        object_id=object_id,
    )
    await stripe_inbox.put(shop.web.app.state.services.pool, [event])


async def row(shop: Shop) -> dict[str, Any]:
    found = await shop.web.db.fetchrow(
        "select handled_at is not null as handled, dead_at is not null as dead, attempts,"
        " last_error, extract(epoch from due_at - clock_timestamp())::float8 as due_in_s"
        " from webhook_inbox"
    )
    assert found
    return dict(found)


async def test_an_object_nobody_knows_yet_is_tried_again_later_and_later(shop: Shop) -> None:
    await put(shop, "charge", "ch_nobody")
    waits = []
    for _ in range(4):
        await shop.web.db.execute("update webhook_inbox set due_at = clock_timestamp()")
        await shop.inbox.round()
        waits.append(round((await row(shop))["due_in_s"]))
    assert waits == [1, 2, 4, 8]
    assert await shop.inbox.round() == 0
    assert (await row(shop))["last_error"] == "not_found"


async def test_what_keeps_failing_is_buried_with_its_reason_and_can_be_revived(shop: Shop) -> None:
    await put(shop, "charge", "ch_nobody")
    for _ in range(ATTEMPTS_MAX):
        await shop.web.db.execute("update webhook_inbox set due_at = clock_timestamp()")
        await shop.inbox.round()

    assert (await row(shop))["dead"]
    [letter] = await store.dead(shop.web.db, limit=10)
    assert (letter.event_id, letter.object_id, letter.last_error) == (
        "evt_1",
        "ch_nobody",
        "not_found",
    )
    await shop.drain()
    assert (await row(shop))["attempts"] == ATTEMPTS_MAX

    assert await store.revive(shop.web.db, "evt_1") == 1
    assert await store.revive(shop.web.db, None) == 0
    await shop.inbox.round()
    assert (await row(shop))["attempts"] == 1


async def test_a_stripe_that_is_away_buries_nothing_for_days(shop: Shop) -> None:
    buyer = await shop.buyer()
    charge = await shop.bought(buyer)
    await shop.stripe.webhooks.settled()
    await shop.web.db.execute("delete from webhook_inbox")
    shop.stripe.api.trouble.by_chance({Trouble.FAILS: 1.0}, seed=1)
    await put(shop, "charge", charge)
    await shop.web.db.execute("update webhook_inbox set attempts = 100")
    await shop.inbox.round()
    assert not (await row(shop))["dead"]
    assert (await row(shop))["last_error"] == "payments_unavailable"
    assert (await row(shop))["due_in_s"] <= 900

    await shop.web.db.execute("update webhook_inbox set received_at = now() - interval '4 days'")
    await shop.drain()
    assert (await row(shop))["dead"]


async def test_an_event_of_a_killed_worker_goes_to_another(shop: Shop) -> None:
    buyer = await shop.buyer()
    checkout_id = await shop.opened(buyer)
    await shop.stripe.webhooks.settled()
    await shop.drain()
    shop.stripe.desk.pay_checkout(checkout_id)
    await shop.stripe.webhooks.settled()
    asked = asyncio.Event()

    async def never(_: str) -> None:
        asked.set()
        await asyncio.Event().wait()

    stuck = replace(shop.inbox, syncs=dict.fromkeys(shop.inbox.syncs, never))
    killed = asyncio.create_task(stuck.round())
    await asked.wait()
    killed.cancel()
    await asyncio.gather(killed, return_exceptions=True)
    assert await shop.inbox.round() == 0

    await shop.drain()
    assert await shop.credits(buyer) == 10_000


async def test_the_sweep_finds_what_no_webhook_brought(shop: Shop) -> None:
    buyer = await shop.buyer()
    shop.stripe.webhooks.misbehave(WebhookFaults(drop=1), seed=1)
    charge = await shop.bought(buyer)
    shop.stripe.desk.refund(charge)
    await shop.drain()
    assert await shop.credits(buyer) == 10_000

    assert await shop.inbox.sweep() > 0
    await shop.drain()
    assert await shop.credits(buyer) == 0
    assert await shop.inbox.sweep() == 0


async def test_one_bad_object_does_not_stop_the_others(shop: Shop) -> None:
    buyer = await shop.buyer()
    charge = await shop.bought(buyer)
    await shop.stripe.webhooks.settled()
    await shop.web.db.execute("delete from webhook_inbox")
    shop.stripe.webhooks.misbehave(WebhookFaults(drop=1), seed=1)
    shop.stripe.desk.refund(charge)
    syncs = syncs_of(shop.web.app.state.services.pool, shop.inbox.till)

    async def broken(_: str) -> None:
        raise ZeroDivisionError

    await put(shop, "invoice", "in_1", event_id="evt_bad")
    await put(shop, "charge", charge, event_id="evt_good")
    await put(shop, "product", "prod_1", event_id="evt_nothing_to_us")
    await replace(shop.inbox, syncs={**syncs, "invoice": broken}).round()

    assert await shop.credits(buyer) == 0
    left = await shop.web.db.fetch(
        "select event_id, last_error from webhook_inbox where handled_at is null"
    )
    assert [tuple(it) for it in left] == [("evt_bad", "ZeroDivisionError")]


@dataclass
class SlowTill:
    """The real till, but what it fetched waits until somebody says go."""

    till: Any
    fetched: asyncio.Event
    go: asyncio.Event

    async def charge(self, charge_id: str) -> Any:
        charge = await self.till.charge(charge_id)
        self.fetched.set()
        await self.go.wait()
        return charge

    def __getattr__(self, name: str) -> Any:
        return getattr(self.till, name)


async def test_an_old_state_is_never_written_over_a_newer_one(shop: Shop) -> None:
    """A worker fetched before the refund and writes after the one who fetched after it."""
    buyer = await shop.buyer()
    charge = await shop.bought(buyer)
    slow = SlowTill(shop.inbox.till, asyncio.Event(), asyncio.Event())
    pool = shop.web.app.state.services.pool
    late = asyncio.create_task(topups.sync_charge_of(pool, slow, charge))
    await slow.fetched.wait()
    shop.stripe.desk.refund(charge, 250)
    await shop.inbox.syncs["charge"](charge)
    assert await shop.credits(buyer) == 5_000

    slow.go.set()
    await late
    assert await shop.credits(buyer) == 5_000


async def test_no_connection_is_held_while_stripe_is_asked(shop: Shop) -> None:
    buyer = await shop.buyer()
    charge = await shop.bought(buyer)
    slow = SlowTill(shop.inbox.till, asyncio.Event(), asyncio.Event())
    pool = shop.web.app.state.services.pool
    asking = asyncio.create_task(topups.sync_charge_of(pool, slow, charge))
    await slow.fetched.wait()

    assert pool.get_idle_size() == pool.get_size()

    slow.go.set()
    await asking


@pytest.mark.parametrize("workers", [1, 6])
async def test_any_number_of_workers_share_the_work(shop: Shop, workers: int) -> None:
    buyers = [await shop.buyer() for _ in range(6)]
    for buyer in buyers:
        shop.stripe.desk.pay_checkout(await shop.opened(buyer))
    await shop.stripe.webhooks.settled()
    others: list[StripeInbox] = [replace(shop.inbox) for _ in range(workers)]
    await asyncio.gather(*(it.round() for it in others))
    await shop.drain()

    assert [await shop.credits(buyer) for buyer in buyers] == [10_000] * 6
