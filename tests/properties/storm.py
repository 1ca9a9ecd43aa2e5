"""
A storm over the charging functions: many connections, lost replies, stale and repeated reports,
takeovers, closes from both sides, top-ups and disputes. Ground truth is kept here, not in the
database: the largest watermark ever sent under a valid epoch bounds what may be billed.
"""

import asyncio
import random
from collections import Counter
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import asyncpg

from shared.clock import SystemClock
from shared.ids import new_uuid

PRICES = (1, 59, 60, 61, 1_667, 99_999, 100_000)
WANT_SECONDS, LOW_SECONDS = 30, 15
LOST_REPLY_SHARE = 0.04

# Virtual seconds fly faster than the database's clock, so its plausibility clamp is switched off
# here; tests/integration/test_charging.py holds the clamp itself.
TIME_FLIES = """
create or replace function plausible_seconds(started timestamptz, answered timestamptz) returns int
language sql as $$ select case when answered is null then null else 1000000 end $$
"""


@dataclass
class VirtualCall:
    id: UUID
    user: UUID
    price: int
    epoch: int = 0
    used: int = 0  # truth: seconds the caller really had
    sent_max: int = 0  # the largest valid report so far
    history: list[int] = field(default_factory=lambda: [0])


@dataclass
class StormReport:
    """What went wrong; all empty or zero when the engine is right."""

    violations: set[str] = field(default_factory=set)
    overbilled: list[UUID] = field(default_factory=list)
    held_after_end: int = 0
    errors: Counter[str] = field(default_factory=Counter)
    operations: int = 0
    lost_replies: int = 0
    fenced: int = 0

    @property
    def is_calm(self) -> bool:
        return not (self.violations or self.overbilled or self.held_after_end or self.errors)


class Storm:
    """`run()` once. `seed` replays the choices, though not the interleaving."""

    def __init__(self, dsn: str, *, seed: int, accounts: int = 6, calls: int = 200) -> None:
        self._dsn = dsn
        self._seed = seed
        self._random = random.Random(seed)
        self._users = [new_uuid() for _ in range(accounts)]
        self._calls = [
            VirtualCall(new_uuid(), self._random.choice(self._users), self._random.choice(PRICES))
            for _ in range(calls)
        ]
        self._clock = SystemClock()
        self.report = StormReport()

    async def run(self, *, duration_s: float, workers: int = 8) -> StormReport:
        connection = await asyncpg.connect(self._dsn)
        try:
            await self._open_accounts(connection)
            self._until = self._clock.monotonic() + duration_s
            await asyncio.gather(
                self._check_all_along(connection), *(self._work(n) for n in range(workers))
            )
            await self._settle_the_sea(connection)
        finally:
            await connection.close()
        return self.report

    async def _open_accounts(self, connection: Any) -> None:
        await connection.execute(TIME_FLIES)
        for user in self._users:
            await connection.execute(
                "insert into profiles(id, issuer, subject) values ($1, 'storm', $2)",
                user,
                str(user),
            )
            await connection.execute("insert into credits(user_id) values ($1)", user)
            await self._post(connection, user, self._random.randrange(1, 60) * 10_000, "topup")

    async def _post(self, connection: Any, user: UUID, amount: int, kind: str) -> None:
        key = f"{user}-{kind}-{amount}"  # the same amount again is a repeated delivery
        await connection.fetchval(
            "select credit_post_v2($1, $2, $3, 'storm', $4)", user, amount, kind, key
        )

    async def _work(self, number: int) -> None:
        rng = random.Random(self._seed * 1000 + number)
        connection: Any = None
        while self._clock.monotonic() < self._until:
            try:
                if connection is None or connection.is_closed():
                    connection = await asyncpg.connect(self._dsn)
                self.report.operations += 1
                await self._one_operation(rng, connection)
            except asyncpg.PostgresError as error:
                if error.sqlstate != "40P99":
                    self.report.errors[type(error).__name__] += 1
                else:
                    self.report.fenced += 1
            except (asyncpg.InterfaceError, OSError):
                connection = None
        if connection and not connection.is_closed():
            await connection.close()

    async def _one_operation(self, rng: random.Random, connection: Any) -> None:
        call = rng.choice(self._calls)
        dice = rng.random()
        if dice < 0.15:
            await self._ask(
                rng,
                connection,
                "select call_authorize_v3($1, $2, $3, $4, 1, 3600, null, 1)",
                call.id,
                call.user,
                call.price,
                WANT_SECONDS,
            )
        elif dice < 0.25:
            await self._take(connection, call)
        elif dice < 0.84:
            await self._settle(rng, connection)
        elif dice < 0.88:
            await self._close(rng, connection, call)
        elif dice < 0.94:
            await self._post(connection, call.user, rng.randint(1, 400) * 1_000, "topup")
        else:
            await self._post(connection, call.user, -rng.randint(1, 60) * 9_000, "dispute")

    async def _take(self, connection: Any, call: VirtualCall) -> None:
        epoch = await connection.fetchval(
            "select epoch from call_start_v1($1, 'w', $2, 0)", call.id, str(new_uuid())
        )
        if epoch is not None:
            call.epoch = max(call.epoch, epoch)

    async def _settle(self, rng: random.Random, connection: Any) -> None:
        chosen = [rng.choice(self._calls) for _ in range(rng.randint(1, 20))]
        reports = []
        for call in chosen:
            if rng.random() < 0.7:
                call.used += rng.randint(0, 4)
                call.history.append(call.used)
            upto = rng.choice(call.history[-6:])
            if rng.random() < 0.9:
                reports.append((call.id, call.epoch, upto))
                call.sent_max = max(call.sent_max, upto)
            else:  # a fenced agent that runs on must bill nothing
                reports.append((call.id, call.epoch - 1, call.used + 60))
        rows = await self._ask(
            rng,
            connection,
            "select standing from calls_settle_v2($1, $2, $3, $4, $5)",
            [r[0] for r in reports],
            [r[1] for r in reports],
            [r[2] for r in reports],
            WANT_SECONDS,
            LOW_SECONDS,
        )
        self.report.fenced += sum(row[0] == "fenced" for row in rows or ())

    async def _close(self, rng: random.Random, connection: Any, call: VirtualCall) -> None:
        by_agent = rng.random() < 0.6
        upto = call.used if by_agent else 0
        call.sent_max = max(call.sent_max, upto)
        await self._ask(
            rng,
            connection,
            "select seconds from call_close_v2($1, $2, $3, 'caller_hangup', 'test', 'agent')",
            call.id,
            call.epoch if by_agent else None,
            upto,
        )

    async def _ask(self, rng: random.Random, connection: Any, sql: str, *args: object) -> Any:
        """Run one statement; now and then the reply is lost in flight."""
        asked = asyncio.create_task(connection.fetch(sql, *args))
        if rng.random() < LOST_REPLY_SHARE:
            await asyncio.sleep(rng.random() * 0.002)
            connection.terminate()
            self.report.lost_replies += 1
            await asyncio.gather(asked, return_exceptions=True)
            return None
        return await asked

    async def _check_all_along(self, connection: Any) -> None:
        """One snapshot each, so the invariants must hold at every instant."""
        while self._clock.monotonic() < self._until:
            await asyncio.sleep(0.15)
            await self._note_violations(connection)

    async def _note_violations(self, connection: Any) -> None:
        rows = await connection.fetch("select invariant from invariant_violations")
        self.report.violations |= {row["invariant"] for row in rows}

    async def _settle_the_sea(self, connection: Any) -> None:
        for call in self._calls:
            try:
                await connection.fetch(
                    "select 1 from call_close_v2($1, null, 0, 'caller_hangup', 'test', 'agent')",
                    call.id,
                )
            except asyncpg.PostgresError as error:
                self.report.errors[type(error).__name__] += 1
        await self._note_violations(connection)
        billed = dict(await connection.fetch("select id, seconds from call_sessions"))
        self.report.overbilled = [c.id for c in self._calls if billed.get(c.id, 0) > c.sent_max]
        self.report.held_after_end = await connection.fetchval(
            "select coalesce(sum(reserved), 0)::bigint from credits"
        )
