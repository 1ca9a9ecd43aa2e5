"""
A second agent for a call that has one, again and again.

While the first is alive it must be refused. Once the first has been silent for too long the call is
taken over: from then on nothing the first one says may be billed. The rival itself then falls
silent, so that only the reaper is left. Freshness is shortened as time is.
"""

import asyncio
import contextlib
import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import asyncpg

from agent.charging_client import ChargingClient, Refused, Unknown
from local.chaos.virtual_group import LiveCall, VirtualGroup
from shared.call_protocol import CloseCall, StartCall, WorkerReport
from shared.end_reasons import EndReason
from shared.ids import new_uuid

EVERY_S = 0.25
WORKER = "rival"
FRESH_SHARE = 40  # of the usual twenty seconds: soon enough to happen in an outage

_TAKE_OVER = "call_start_v1(uuid, text, text, int)"
_FRESH = "make_interval(secs => p_fresh_s)"


async def shorten_freshness(dsn: str) -> None:
    """Let a call be taken over after a fortieth of the usual silence."""
    connection = await asyncpg.connect(dsn)
    try:
        text = await connection.fetchval("select pg_get_functiondef($1::regprocedure)", _TAKE_OVER)
        assert _FRESH in text, "call_start_v1 no longer reads as this expects"
        shorter = f"make_interval(secs => p_fresh_s / {FRESH_SHARE}.0)"
        await connection.execute(text.replace(_FRESH, shorter))
    finally:
        await connection.close()


@dataclass
class Rivals:
    """`run()` until cancelled; counts in `done`."""

    client: ChargingClient
    rng: random.Random
    groups: Callable[[], Sequence[VirtualGroup]]
    done: Counter[str] = field(default_factory=Counter)

    async def run(self) -> None:
        await self._introduce()
        while True:
            await asyncio.sleep(EVERY_S)
            calls = self.rng.choice(self.groups()).calls
            if calls:
                await self._contest(self.rng.choice(calls))

    async def _introduce(self) -> None:
        while True:
            with contextlib.suppress(Unknown):
                return await self.client.report_worker(WorkerReport(worker_id=WORKER, slots=0))
            await asyncio.sleep(EVERY_S)

    async def _contest(self, call: LiveCall) -> None:
        old, before = call.slot.epoch, call.truth.is_contested
        call.truth.is_contested = True  # until we know that it was refused
        try:
            won = await self.client.start(
                call.truth.id, StartCall(worker_id=WORKER, job_id=str(new_uuid()))
            )
        except Refused:
            call.truth.is_contested = before
            self.done["refused"] += 1
        except Unknown:  # the answer was lost; the call may be the rival's now
            self.done["unanswered"] += 1
        else:
            self.done["took over"] += 1
            call.truth.confirmed = max(call.truth.confirmed, won.seconds)
            await self._speak_for_the_old(call, old)

    async def _speak_for_the_old(self, call: LiveCall, epoch: int) -> None:
        """The agent that lost the call wants it closed at an hour; it must be refused."""
        order = CloseCall(
            worker_id=WORKER, epoch=epoch, seconds=3600, reason=EndReason.CALLER_HANGUP
        )
        try:
            answer = await self.client.close(call.truth.id, order)
        except Refused:
            self.done["old one refused"] += 1
        except Unknown:
            self.done["unanswered"] += 1
        else:
            assert answer.already_closed, "a fenced agent closed a call"
