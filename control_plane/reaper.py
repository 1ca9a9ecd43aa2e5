"""
Closing the calls that nobody will close, and asking again for agents that did not come.

Decisions are `billing/reaper.py`; here are the round over the stale calls and its effects. A call
is read, judged on evidence fetched outside any transaction, then closed in one of its own. A call
that came back to life in between is safe: closing bills the settled watermark only, and its agent
hears at the next report that it is closed.
"""

import asyncio
from dataclasses import dataclass

from billing import charging
from billing.reaper import (
    REDISPATCH_AFTER_S,
    UNSEEN,
    Close,
    Redispatch,
    Sighting,
    judge,
    needs_sighting,
)
from billing.store import stale
from billing.store.stale import StaleCall
from control_plane.evidence import look_into
from control_plane.rooms_port import Rooms
from shared import metrics
from shared.call_protocol import Notice
from shared.db import Pool, transaction
from shared.end_reasons import ENDINGS
from shared.errors import Unavailable
from shared.ids import call_id_of_room
from shared.log import get_logger

log = get_logger(__name__)

CONSIDERED_AT_ONCE = 4  # connections taken from the pool of eight
NOTICE_S = 0.5  # the end of the room overtakes what was sent just before it
ROUND_MAX = 500  # calls looked at in one round; the most silent come first


@dataclass(frozen=True, slots=True)
class Reaper:
    """`join_limit_s`: how long agents wait for a caller, CALL_JOIN_LIMIT_S."""

    pool: Pool
    rooms: Rooms
    join_limit_s: float

    async def round(self) -> int:
        """Judge every call without a recent sign of life; returns how many were closed."""
        async with transaction(self.pool) as tx:
            candidates = await stale.stale_calls(tx, silent_s=REDISPATCH_AFTER_S, limit=ROUND_MAX)
        gate = asyncio.Semaphore(CONSIDERED_AT_ONCE)

        async def consider(call: StaleCall) -> bool:
            async with gate:
                return await self.consider(call)

        return sum(await asyncio.gather(*map(consider, candidates)))

    async def consider(self, call: StaleCall) -> bool:
        """Look, judge, act on one call. True when it was closed."""
        seen = await look_into(self.rooms, call.room_name) if needs_sighting(call) else UNSEEN
        verdict = judge(call, seen, join_limit_s=self.join_limit_s)
        if isinstance(verdict, Redispatch):
            await self._redispatch(call)
        if isinstance(verdict, Close):
            await self._close(call, verdict, seen)
            return True
        return False

    async def _redispatch(self, call: StaleCall) -> None:
        async with transaction(self.pool) as tx:
            if not await stale.count_redispatch(tx, call.id):
                return
        metrics.CALLS_REDISPATCHED.inc()
        log.warning("agent_late", call_id=str(call.id))
        try:
            await self.rooms.dispatch_agent(call.room_name, call.id)
            await self.rooms.send_notice(
                call.room_name,
                Notice(kind="agent_late", message="No one has picked up yet. Calling again."),
            )
        except Unavailable:
            log.warning("redispatch_failed", call_id=str(call.id))

    async def _close(self, call: StaleCall, verdict: Close, seen: Sighting) -> None:
        async with transaction(self.pool) as tx:
            closed = await charging.close(
                tx,
                call_id=call.id,
                epoch=None,
                seconds=0,  # the settled watermark stands
                reason=verdict.reason,
                closed_by="reaper",
                source="reaper",
            )
            await stale.keep_evidence(
                tx,
                call.id,
                {
                    "caller": seen.caller,
                    "agent": seen.agent,
                    "silent_s": round(call.silent_s, 1),
                    "age_s": round(call.age_s, 1),
                },
            )
        if closed.already_closed:
            return
        metrics.CALLS_ENDED.labels(closed.end_reason).inc()
        log.warning("call_reaped", call_id=str(call.id), reason=verdict.reason)
        await self._send_away(call, verdict)

    async def _send_away(self, call: StaleCall, verdict: Close) -> None:
        try:
            notice = Notice(kind="agent_lost", message=ENDINGS[verdict.reason].words)
            await self.rooms.send_notice(call.room_name, notice)
            await asyncio.sleep(NOTICE_S)
            await self.rooms.delete_room(call.room_name)
        except Unavailable:  # the comparison of rooms and calls finds it later
            log.warning("room_not_deleted", call_id=str(call.id))

    async def compare_rooms(self) -> int:
        """Delete rooms of ours without an open call: nobody pays for what happens in them."""
        names = await self.rooms.room_names()
        async with transaction(self.pool) as tx:  # after the rooms: a call precedes its room
            open_ids = await stale.open_call_ids(tx)
        orphans = [
            name
            for name in names
            if (call_id := call_id_of_room(name)) is not None and call_id not in open_ids
        ]
        for name in orphans:
            log.warning("room_without_call", call_id=str(call_id_of_room(name)))
            await self.rooms.delete_room(name)
        return len(orphans)
