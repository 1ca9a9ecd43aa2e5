"""
Layer one: thousands of virtual calls in compressed time, through the real HTTP API, on real
Postgres, with the agent's real journal and charger, while everything they need is killed.
"""

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg
from pydantic import SecretStr

from agent.charging_client import ChargingClient
from agent.last_rites import close_the_dead
from local.chaos.fault_proxy import FaultProxy
from local.chaos.saboteur import Saboteur
from local.chaos.truth import Fate, TrueCall, Verdict, compare
from local.chaos.virtual_accounts import VirtualAccounts
from local.chaos.virtual_group import SPEED, VirtualGroup
from local.stack import Stack
from shared.db import open_pool
from shared.settings import PostgresSettings

CALL_S = (0.5, 240.0)  # virtual seconds until the caller hangs up
FEEDERS = 12
BLOW_EVERY_S = (2.0, 4.0)
SETTLE_MAX_S = 120.0  # the promise: no hold is left two minutes after the end
MONEY_EVERY_S = 0.05
PROCESSES = ("web", "postgres", "jobs", "redis", "livekit")

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
    log: Callable[[str], None] = print
    calls: list[TrueCall] = field(default_factory=list)

    async def run(self) -> tuple[Verdict, Saboteur, FaultProxy]:
        """Raises TimeoutError when holds are left after SETTLE_MAX_S."""
        self._rng = random.Random(self.seed)
        self._saboteur = Saboteur(self.stack, self._rng)
        self._proxy = FaultProxy(self.stack.control_plane_url, self.seed)
        await self._proxy.start()
        await _execute(self.stack.database_url, FAST_DATABASE_CLOCK)
        settings = PostgresSettings.model_validate({"database_url": self.stack.database_url})
        pool = await open_pool(settings, application_name="chaos")
        self._accounts = VirtualAccounts(pool, self._rng)
        try:
            await self._storm()
            return await self._verdict(), self._saboteur, self._proxy
        finally:
            await pool.close()
            await self._proxy.stop()

    def _client(self) -> ChargingClient:
        return ChargingClient(self._proxy.url, SecretStr(self.stack.env["INTERNAL_TOKEN"]))

    async def _storm(self) -> None:
        async with self._client() as client, asyncio.TaskGroup() as tasks:
            self._client_of_all, self._tasks = client, tasks
            self._live = [self._new_group() for _ in range(self.groups)]
            calm = asyncio.Event()
            raging = tasks.create_task(self._saboteur.rage(calm, BLOW_EVERY_S, self._one_blow))
            helpers = [
                tasks.create_task(close_the_dead(self.folder, client)),
                tasks.create_task(self._move_money()),
            ]
            feeders = [tasks.create_task(self._feed()) for _ in range(FEEDERS)]
            await asyncio.wait(feeders)
            self.log(f"  {len(self.calls)} calls placed; waiting for the last to end")
            await self._wait_until_ended()
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
        while len(self.calls) < self.calls_total:
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
        blow = self._rng.choice([*PROCESSES, "cell", "cell", "group", "group", "machine"])
        if blow in PROCESSES:
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

    async def _wait_until_ended(self) -> None:
        while any(call.fate is None for call in self.calls):
            await asyncio.sleep(0.1)

    async def _wait_until_settled(self) -> None:
        async with asyncio.timeout(SETTLE_MAX_S):
            while await _fetch(self.stack.database_url, _OPEN) != [(0,)]:
                await asyncio.sleep(0.5)

    async def _verdict(self) -> Verdict:
        billed = dict(await _fetch(self.stack.database_url, _BILLED))
        verdict = compare(self.calls, billed)
        for row in await _fetch(self.stack.database_url, _VIOLATIONS):
            verdict.broken.append(f"invariant {row[0]}: {row[1]}")
        for row in await _fetch(self.stack.database_url, _HELD):
            verdict.broken.append(f"held after the end: {row[0]}")
        return verdict


_OPEN = "select count(*)::int from call_sessions where state in ('authorized', 'active')"
_BILLED = "select id, seconds from call_sessions"
_VIOLATIONS = "select invariant, key from invariant_violations limit 20"
_HELD = "select user_id::text from credits where reserved <> 0 limit 20"
_SETTLE_TIMES = """
select extract(epoch from max(ended_at) - $2)::float8 from call_sessions where id = any($1::uuid[])
"""


async def settle_times_s(dsn: str, saboteur: Saboteur) -> dict[str, float]:
    """For each kind of kill, the longest time until the calls it hit were closed."""
    worst: dict[str, float] = {}
    for blow in saboteur.blows:
        if blow.calls:
            [(took,)] = await _fetch(dsn, _SETTLE_TIMES, list(blow.calls), blow.at)
            worst[blow.kind] = max(worst.get(blow.kind, 0.0), took or 0.0)
    return worst


async def _fetch(dsn: str, sql: str, *args: object) -> list[tuple[Any, ...]]:
    connection = await asyncpg.connect(dsn)
    try:
        return [tuple(row) for row in await connection.fetch(sql, *args)]
    finally:
        await connection.close()


async def _execute(dsn: str, sql: str) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(sql)
    finally:
        await connection.close()
