"""What the jobs process does for the till: the inbox, the sweep, and top-ups by themselves."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

from billing.stripe_gateway import StripeGateway
from billing.stripe_settings import StripeSettings
from control_plane.auto_topups import AutoTopups
from control_plane.rooms_port import Rooms
from control_plane.schedule import Chore
from control_plane.stripe_inbox import StripeInbox, syncs_of
from shared.clock import Clock
from shared.db import Pool

SWEEP_PERIOD_S: Final = 3_600.0
PURGE_PERIOD_S: Final = 3_600.0
AUTO_PERIOD_S: Final = 2.0  # a call has a minute left when its account is this low
REPAIR_PERIOD_S: Final = 10.0


@dataclass(frozen=True, slots=True)
class TillWork:
    """Without a key for Stripe there is none of it."""

    inbox: StripeInbox | None
    chores: list[Chore]

    async def run(self) -> None:
        """Until cancelled; any number of processes may."""
        if self.inbox is None:
            await asyncio.Event().wait()
        else:
            await self.inbox.run()


@asynccontextmanager
async def open_till_work(
    settings: StripeSettings, *, pool: Pool, rooms: Rooms, clock: Clock
) -> AsyncIterator[TillWork]:
    if settings.stripe_secret_key is None:
        yield TillWork(None, [])
        return
    till = StripeGateway.open(settings)
    inbox = StripeInbox(pool, till, clock, syncs_of(pool, till))
    auto = AutoTopups(pool, till, rooms, clock)
    try:
        yield TillWork(
            inbox,
            [
                Chore("stripe_sweep", SWEEP_PERIOD_S, inbox.sweep),
                Chore("stripe_purge", PURGE_PERIOD_S, inbox.purge),
                Chore("auto_topups", AUTO_PERIOD_S, auto.round),
                Chore("auto_topups_repair", REPAIR_PERIOD_S, auto.repair),
            ],
        )
    finally:
        await till.close()
