"""
Looking for accounts that are low, paying for them, and telling who is in a call why not.

Credit that arrives during a call extends it with the next settle, as every other does.
"""

from dataclasses import dataclass
from typing import Final
from uuid import UUID

from billing import auto_topup
from billing.store import auto_topups as store
from billing.stripe_objects import Till
from control_plane.rooms_port import Rooms
from control_plane.topup_words import topup_failed_in
from shared.call_protocol import Notice
from shared.clock import Clock
from shared.db import Pool, transaction
from shared.errors import AppError, Unavailable
from shared.log import get_logger

log = get_logger(__name__)

BATCH_MAX: Final = 50  # accounts in one round, one after the other


@dataclass(frozen=True, slots=True)
class AutoTopups:
    pool: Pool
    till: Till
    rooms: Rooms
    clock: Clock

    async def round(self) -> int:
        """Pay for who is low; returns how many payments were begun."""
        async with transaction(self.pool) as tx:
            low = await store.low(tx, limit=BATCH_MAX)
        begun = 0
        for user_id in low:
            begun += await self._top_up(user_id)
        return begun

    async def repair(self) -> int:
        """Ask what became of payments that a crash or a lost answer left open; how many."""
        async with transaction(self.pool) as tx:
            open_ones = await store.take_unsettled(
                tx,
                limit=BATCH_MAX,
                pause_s=auto_topup.FIRST_REPAIR_S,
                pause_s_max=auto_topup.REPAIR_S_MAX,
            )
        for topup in open_ones:
            try:
                failure = await auto_topup.settle(self.pool, self.till, topup, self.clock)
            except AppError as away:
                log.warning("auto_topup_unknown", code=away.code, attempt=topup.attempts)
                continue
            if failure:
                await self._tell(topup.user_id, failure)
        return len(open_ones)

    async def _top_up(self, user_id: UUID) -> bool:
        try:
            async with transaction(self.pool) as tx:
                topup = await auto_topup.begin(tx, user_id)
            if topup is None:
                return False
            failure = await auto_topup.pay(self.pool, self.till, topup)
        except AppError as away:  # unknown is not refused: `repair` asks again, with the same key
            log.warning("auto_topup_unknown", code=away.code, user_id=str(user_id))
            return True
        if failure:
            await self._tell(user_id, failure)
        return True

    async def _tell(self, user_id: UUID, failure: str) -> None:
        """In the call, where there is one; the account's own page shows the state anyway."""
        log.warning("auto_topup_refused", code=failure, user_id=str(user_id))
        async with transaction(self.pool) as tx:
            call = await store.call_of(tx, user_id)
        if call is None:
            return
        notice = Notice(kind="payment_failed", message=topup_failed_in(call.language))
        try:
            await self.rooms.send_notice(call.room_name, notice)
        except Unavailable:
            log.warning("notice_not_sent", code=failure)
