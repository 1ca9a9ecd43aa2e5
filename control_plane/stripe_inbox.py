"""
Stripe's events, read as hints that an object changed.

    python -m control_plane.admin dead-letters list | retry      what was given up, and why

A webhook is stored and answered; workers in any number of jobs processes take what is due. Each
object that events are about is synced once a batch, from what Stripe has now: no event is applied,
so lost, late, repeated and reordered ones end in the same ledger. What fails is tried again later;
what keeps failing is buried with its reason, where a person can see it.
"""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from billing import subscriptions, topups
from billing.stripe_objects import StripeEvent, Till
from control_plane.store import inbox, stripe_inbox
from control_plane.store.stripe_inbox import TakenEvent
from shared import metrics
from shared.clock import Clock
from shared.db import CONNECT_TIMEOUT_S, Pool, Tx, transaction
from shared.errors import AppError
from shared.log import get_logger

log = get_logger(__name__)

SOURCE: Final = "stripe"
BATCH_MAX: Final = 64  # events of one round
AT_ONCE: Final = 6  # objects; each holds a connection only to read and to write
LEASE_S: Final = 120.0  # a round takes seconds; an object at a dead Stripe, 3 x 20 s
IDLE_PAUSE_S: Final = 0.1  # one index look-up; a NOTIFY would make the webhooks' commits queue
FAILURE_PAUSE_S: Final = 1.0
BACK_OFF_S_MAX: Final = 900.0
ATTEMPTS_MAX: Final = 12  # of what is wrong, not away: a good hour, for rows that are on their way
AGE_S_MAX: Final = 3 * 24 * 3_600.0  # as long as Stripe itself tries to deliver
SWEEP_BACK: Final = timedelta(days=3)
SWEEP_BATCH: Final = 200  # events stored in one transaction
KEPT_DAYS: Final = 35

Sync = Callable[[str], Awaitable[object]]


def syncs_of(pool: Pool, till: Till) -> Mapping[str, Sync]:
    """What to do with an object of each type, by its id. Other types mean nothing to us."""
    return {
        "checkout.session": lambda it: topups.sync_checkout(pool, till, it),
        "payment_intent": lambda it: topups.sync_payment_intent(pool, till, it),
        "charge": lambda it: topups.sync_charge_of(pool, till, it),
        "invoice": lambda it: subscriptions.sync_invoice(pool, till, it),
        "subscription": lambda it: subscriptions.sync_subscription(pool, till, it),
    }


async def put(pool: Pool, events: list[StripeEvent]) -> int:
    """Store events in one transaction; returns how many were new."""
    async with transaction(pool) as tx:
        return sum([await _put(tx, event) for event in events])


async def put_one(pool: Pool, event: StripeEvent) -> bool:
    """`put` of a webhook: one statement is a transaction by itself, and a third of the trips."""
    async with pool.acquire(timeout=CONNECT_TIMEOUT_S) as connection:
        return await _put(connection, event)


async def _put(tx: Tx, event: StripeEvent) -> bool:
    """Only what it is about is kept, nobody's data."""
    return await inbox.put(
        tx,
        source=SOURCE,
        event_id=event.id,
        kind=event.kind,
        payload={"object_type": event.object_type, "object_id": event.object_id},
    )


@dataclass(frozen=True, slots=True)
class StripeInbox:
    """One worker; any number may run."""

    pool: Pool
    till: Till
    clock: Clock
    syncs: Mapping[str, Sync]

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            try:
                taken = await self.round()
            except Exception:
                log.exception("inbox_round_failed", source=SOURCE)
                await asyncio.sleep(FAILURE_PAUSE_S)
                continue
            if not taken:
                await asyncio.sleep(IDLE_PAUSE_S)

    async def round(self) -> int:
        """Handle what is due; returns the number of events."""
        async with transaction(self.pool) as tx:
            events = await stripe_inbox.take(tx, limit=BATCH_MAX, lease_s=LEASE_S)
        groups: dict[tuple[str, str], list[TakenEvent]] = defaultdict(list)
        for event in events:
            groups[event.object_type, event.object_id].append(event)
        seats = asyncio.Semaphore(AT_ONCE)

        async def handle(object_type: str, object_id: str, group: list[TakenEvent]) -> None:
            async with seats:
                await self._handle(object_type, object_id, group)

        async with asyncio.TaskGroup() as tasks:
            for (object_type, object_id), group in groups.items():
                tasks.create_task(handle(object_type, object_id, group))
        return len(events)

    async def sweep(self) -> int:
        """Store the events of the last days that no webhook brought; returns how many."""
        since = self.clock.now() - SWEEP_BACK
        found, batch = 0, []
        async for event in self.till.events_since(since):
            batch.append(event)
            if len(batch) >= SWEEP_BATCH:
                found += await put(self.pool, batch)
                batch = []
        found += await put(self.pool, batch)
        if found:
            log.warning("webhooks_were_lost", source=SOURCE, count=found)
        return found

    async def purge(self) -> None:
        """Forget events older than `KEPT_DAYS`; a sweep does not find them any more."""
        async with transaction(self.pool) as tx:
            await inbox.purge(tx, source=SOURCE, older_than_days=KEPT_DAYS)

    async def _handle(self, object_type: str, object_id: str, group: list[TakenEvent]) -> None:
        sync = self.syncs.get(object_type)
        try:
            if sync and object_id:
                await sync(object_id)
        except AppError as refused:
            await self._failed(group, refused.code, is_away=refused.retryable)
        except Exception as error:
            log.exception("sync_failed", kind=object_type)
            await self._failed(group, type(error).__name__, is_away=isinstance(error, OSError))
        else:
            async with transaction(self.pool) as tx:
                await stripe_inbox.handled(tx, [event.event_id for event in group])
            metrics.STRIPE_EVENTS.labels("handled").inc(len(group))

    async def _failed(self, group: list[TakenEvent], reason: str, *, is_away: bool) -> None:
        """Later again; what is wrong has fewer attempts than what is away."""
        dead = [
            event.event_id
            for event in group
            if event.age_s > AGE_S_MAX or (event.attempts >= ATTEMPTS_MAX and not is_away)
        ]
        alive = [event.event_id for event in group if event.event_id not in dead]
        attempts = min(event.attempts for event in group)
        async with transaction(self.pool) as tx:
            if dead:
                await stripe_inbox.bury(tx, dead, reason=reason)
            if alive:
                in_s = min(BACK_OFF_S_MAX, 0.5 * 2.0 ** min(attempts, 20))
                await stripe_inbox.again(tx, alive, reason=reason, in_s=in_s)
        metrics.STRIPE_EVENTS.labels("retried").inc(len(alive))
        if dead:
            metrics.STRIPE_EVENTS.labels("dead").inc(len(dead))
            log.error("event_given_up", source=SOURCE, code=reason, count=len(dead))
