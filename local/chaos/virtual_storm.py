"""
Layer one: thousands of virtual calls in compressed time, through the real HTTP API, on real
Postgres, with the agent's real journal and charger, while everything they need is killed.
"""

import asyncio
import math
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from pydantic import SecretStr

from agent.last_rites import close_the_dead
from local.chaos.fault_proxy import FaultProxy
from local.chaos.rivals import Rivals, shorten_freshness
from local.chaos.saboteur import Saboteur
from local.chaos.settling import deadlocks, execute, fetch
from local.chaos.truth import Fate, TrueCall, Verdict, compare
from local.chaos.virtual_accounts import VirtualAccounts
from local.chaos.virtual_group import SPEED, TimedClient, VirtualGroup
from local.stack import Stack
from shared.clock import SystemClock
from shared.db import open_pool
from shared.settings import PostgresSettings

CALL_S = (0.5, 240.0)  # virtual seconds until the caller hangs up
FEEDERS = 24
BLOW_EVERY_S = (2.0, 4.0)
SETTLE_MAX_S = 120.0  # the promise: no hold is left two minutes after the end
MONEY_EVERY_S = 0.05
PROCESSES = ("web", "postgres", "jobs", "redis", "livekit")
BLOWS = (*PROCESSES, "cell", "cell", "group", "group", "machine", "clock set")
CLOCK_SET_H = (-48.0, 48.0)

# The database's clock must run as fast as the virtual one, or its plausibility clamp would bite.
FAST_DATABASE_CLOCK = f"""
create or replace function plausible_seconds(started timestamptz, answered timestamptz) returns int
language sql volatile as
$$ select 2 * {SPEED} + ceil({SPEED} *
  date_part('epoch', clock_timestamp() - coalesce(started, answered)))::int $$
"""


@dataclass
class VirtualStorm:
    """`run()` once. The seed replays the choices, not the interleaving."""

    stack: Stack
    folder: Path
    seed: int
    calls_total: int
    groups: int = 8
    seconds_max: float = math.inf  # real; no call is placed after that
    log: Callable[[str], None] = print
    calls: list[TrueCall] = field(default_factory=list)
    settled_in_s: float = 0.0  # real seconds from the end of the last call until nothing was open
    deadlocks: int = 0

    async def run(self) -> tuple[Verdict, Saboteur, FaultProxy]:
        """Raises TimeoutError when holds are left after SETTLE_MAX_S."""
        self._rng = random.Random(self.seed)
        self._until_s = SystemClock().monotonic() + self.seconds_max
        self._saboteur = Saboteur(self.stack, self._rng)
        self._proxy = FaultProxy(self.stack.control_plane_url, self.seed)
        await self._proxy.start()
        await execute(self.stack.database_url, FAST_DATABASE_CLOCK)
        await shorten_freshness(self.stack.database_url)
        settings = PostgresSettings.model_validate({"database_url": self.stack.database_url})
        pool = await open_pool(settings, application_name="chaos")
        self._accounts = VirtualAccounts(pool, self._rng)
        try:
            await self._storm()
            return await self._verdict(), self._saboteur, self._proxy
        finally:
            await pool.close()
            await self._proxy.stop()

    def _client(self) -> TimedClient:
        return TimedClient(self._proxy.url, SecretStr(self.stack.env["INTERNAL_TOKEN"]))

    async def _storm(self) -> None:
        async with self._client() as client, asyncio.TaskGroup() as tasks:
            self._client_of_all, self._tasks = client, tasks
            self._live = [self._new_group() for _ in range(self.groups)]
            self.rivals = Rivals(client, self._rng, lambda: self._live)
            calm = asyncio.Event()
            raging = tasks.create_task(self._saboteur.rage(calm, BLOW_EVERY_S, self._one_blow))
            contesting = tasks.create_task(self.rivals.run())
            helpers = [
                tasks.create_task(close_the_dead(self.folder, client)),
                tasks.create_task(self._move_money()),
            ]
            feeders = [tasks.create_task(self._feed()) for _ in range(FEEDERS)]
            await asyncio.wait(feeders)
            self.log(f"  {len(self.calls)} calls placed; waiting for the last to end")
            await self._wait_until_ended()
            contesting.cancel()
            calm.set()  # no more blows; what is killed now comes back
            await raging
            await self._wait_until_settled()
            for helper in helpers:
                helper.cancel()
            for group in self._live:
                group.stop()

    def _new_group(self) -> VirtualGroup:
        group = VirtualGroup(self.folder, self._client_of_all, self._rng)
        group.open(self._tasks)
        return group

    async def _feed(self) -> None:
        while len(self.calls) < self.calls_total and SystemClock().monotonic() < self._until_s:
            await self._place_one()

    async def _place_one(self) -> None:
        user = await self._accounts.open_one()
        held = await self._accounts.authorize(user) if user else None
        if user is None or held is None:
            await asyncio.sleep(0.1)
            return
        truth = TrueCall(id=held[0], user=user, granted_seconds=held[1])
        self.calls.append(truth)
        length_s = self._rng.uniform(*CALL_S)
        while not await self._rng.choice(self._live).take(truth, length_s):
            await asyncio.sleep(0.02)  # all slots of that group are busy

    async def _move_money(self) -> None:
        while True:
            await asyncio.sleep(MONEY_EVERY_S)
            await self._accounts.move_money()

    async def _one_blow(self) -> None:
        blow = self._saboteur.draw(BLOWS)
        if blow == "clock set":
            self._set_a_clock()
        elif blow in PROCESSES:
            await self._saboteur.strike(blow)
        else:
            self._strike_group(blow)

    def _strike_group(self, blow: str) -> None:
        number = self._rng.randrange(len(self._live))
        group = self._live[number]
        hit = {call.truth.id: call.truth for call in group.calls}
        if blow == "cell":
            group.kill_cell()
        else:
            group.kill_all() if blow == "group" else group.lose_machine()
            self._live[number] = self._new_group()
        dead = tuple(id_ for id_, truth in hit.items() if truth.fate not in (None, Fate.CLEAN))
        self._saboteur.note(blow, dead)

    def _set_a_clock(self) -> None:
        """Somebody sets the time of day on an agent's machine."""
        clock = self._rng.choice(self._live).clock
        clock.moved_by = timedelta(hours=self._rng.uniform(*CLOCK_SET_H))
        self._saboteur.note("clock set")

    async def _wait_until_ended(self) -> None:
        while any(call.fate is None for call in self.calls):
            await asyncio.sleep(0.1)

    async def _wait_until_settled(self) -> None:
        began_s = SystemClock().monotonic()
        async with asyncio.timeout(SETTLE_MAX_S):
            while await fetch(self.stack.database_url, _OPEN) != [(0,)]:
                await asyncio.sleep(0.5)
        self.settled_in_s = SystemClock().monotonic() - began_s

    async def _verdict(self) -> Verdict:
        rows = await fetch(self.stack.database_url, _BILLED)
        verdict = compare(
            self.calls, {row[0]: row[1] for row in rows}, {row[0]: row[2] for row in rows}
        )
        for row in await fetch(self.stack.database_url, _VIOLATIONS):
            verdict.broken.append(f"invariant {row[0]}: {row[1]}")
        for row in await fetch(self.stack.database_url, _HELD):
            verdict.broken.append(f"held after the end: {row[0]}")
        self.deadlocks = deadlocks(self.stack)
        if self.deadlocks:
            verdict.broken.append(f"{self.deadlocks} deadlocks")
        return verdict


_OPEN = "select count(*)::int from call_sessions where state in ('authorized', 'active')"
_BILLED = "select id, seconds, overrun_s from call_sessions"
_VIOLATIONS = "select invariant, key from invariant_violations limit 20"
_HELD = "select user_id::text from credits where reserved <> 0 limit 20"
