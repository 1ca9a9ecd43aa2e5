"""
A log of real messages: who said what to the charging functions, and what each word rested on.

It is recorded by agents that work: each reports what its caller used, by the epoch it was given. A
message rests on the answers its sender had when it spoke, and no network can deliver it before
them; within that, any order, any repetition and any loss of an early delivery is possible.
"""

import random
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol
from uuid import UUID

import asyncpg

from shared.ids import new_uuid
from tests.properties.ledger_bench import LedgerBench

ACCOUNTS, CALLS, ROUNDS = 2, 5, 25
GRANT_SECONDS, LOW_SECONDS, CAP_SECONDS = 120, 75, 3_600
USED_MAX_SECONDS = 110  # below the first grant: what is granted later depends on the order
FRESH_S = 10  # an agent seen this recently keeps its call
PRICES = (1, 61, 1_667, 99_999)
FENCED = "40P99"


class World:
    """One life of the log: its names stand for accounts and calls of their own."""

    def __init__(self, bench: LedgerBench) -> None:
        self.bench = bench
        self.name = str(new_uuid())
        self.users = [bench.open_account() for _ in range(ACCOUNTS)]
        self.calls = [new_uuid() for _ in range(CALLS)]
        self.taken_over: set[int] = set()

    def user_of(self, call: int) -> UUID:
        return self.users[call % ACCOUNTS]

    def outcome(self) -> dict[str, Any]:
        """What must not depend on deliveries. Not part of it: how a call was cut into segments."""
        money = [
            self.bench.rows("select balance - debt, reserved from credits where user_id = $1", user)
            for user in self.users
        ]
        ledger = [
            Counter(
                self.bench.rows(
                    "select kind, amount from credit_transactions where user_id = $1", user
                )
            )
            for user in self.users
        ]
        calls = [
            self.bench.rows(
                "select state, seconds, cost, end_reason, closed_by, "
                "(select coalesce(sum(e.end_s - e.start_s), 0)::int from usage_events e "
                "where e.call_id = s.id), "
                "(select coalesce(sum(e.cost), 0)::bigint from usage_events e "
                "where e.call_id = s.id) from call_sessions s where id = $1",
                call,
            )
            for call in self.calls
        ]
        return {"money": money, "ledger": ledger, "calls": calls}


class Message(Protocol):
    @property
    def after(self) -> frozenset[int]:
        """Positions in the log of what its sender had heard before."""

    def deliver(self, world: World) -> object: ...


@dataclass(frozen=True, slots=True)
class Authorize:
    call: int
    after: frozenset[int]

    def deliver(self, world: World) -> object:
        return world.bench.value(
            "select call_authorize_v3($1, $2, $3, $4, 1, $5, null, 1)",
            world.calls[self.call],
            world.user_of(self.call),
            PRICES[self.call % len(PRICES)],
            GRANT_SECONDS,
            CAP_SECONDS,
        )


@dataclass(frozen=True, slots=True)
class Start:
    """The epoch. `takes_over`: when it first arrives, the agent before has been silent for long."""

    call: int
    job: str
    after: frozenset[int]
    takes_over: bool = False

    def deliver(self, world: World) -> object:
        call_id = world.calls[self.call]
        if self.takes_over and self.call not in world.taken_over:
            world.taken_over.add(self.call)
            world.bench.execute(
                "update call_sessions set last_seen_at = last_seen_at - interval '1 minute' "
                "where id = $1",
                call_id,
            )
        return world.bench.value(
            "select epoch from call_start_v1($1, 'worker', $2, $3)", call_id, self.job, FRESH_S
        )


@dataclass(frozen=True, slots=True)
class Settle:
    reports: tuple[tuple[int, int, int], ...]  # call, epoch, seconds
    after: frozenset[int]

    def deliver(self, world: World) -> object:
        reports = [(world.calls[call], epoch, seconds) for call, epoch, seconds in self.reports]
        return world.bench.settle(reports, GRANT_SECONDS, LOW_SECONDS)


@dataclass(frozen=True, slots=True)
class Close:
    """`epoch` None: the reaper, which comes when the agent has closed already."""

    call: int
    epoch: int | None
    seconds: int
    by: str
    after: frozenset[int]
    _SQL: ClassVar[str] = "select seconds from call_close_v2($1, $2, $3, $4, $5, 'agent')"

    def deliver(self, world: World) -> object:
        reason = "caller_hangup" if self.by == "agent" else "agent_lost"
        arguments = (world.calls[self.call], self.epoch, self.seconds, reason, self.by)
        try:
            return world.bench.value(self._SQL, *arguments)
        except asyncpg.PostgresError as error:
            if error.sqlstate != FENCED:
                raise
            return None


@dataclass(frozen=True, slots=True)
class Post:
    account: int
    amount: int
    kind: str
    key: str
    after: frozenset[int]

    def deliver(self, world: World) -> object:
        key = f"{world.name}:{self.account}:{self.key}"
        return world.bench.value(
            "select credit_post_v2($1, $2, $3, 'log', $4)",
            world.users[self.account],
            self.amount,
            self.kind,
            key,
        )


@dataclass
class Recording:
    """`run()` once: the messages, and the seconds each call was really used."""

    world: World
    seed: int
    log: list[Message] = field(default_factory=list)
    used: list[int] = field(default_factory=lambda: [0] * CALLS)

    def run(self) -> "Recording":
        self._random = random.Random(self.seed)
        self._epoch = [0] * CALLS
        self._started: list[int] = [0] * CALLS  # position of the start that gave the epoch
        for account in range(ACCOUNTS):
            self._say(Post(account, 10**9, "topup", "first", frozenset()))
        funded = frozenset(range(ACCOUNTS))
        for call in range(CALLS):
            held = self._say(Authorize(call, funded))
            self._start(call, "one", frozenset({held}), takes_over=False)
        for number in range(ROUNDS):
            self._one_round(number)
        for call in range(CALLS):
            self._end(call)
        return self

    def _say(self, message: Message) -> int:
        """Deliver it, and write it down; its position."""
        self._answer = message.deliver(self.world)
        self.log.append(message)
        return len(self.log) - 1

    def _start(self, call: int, job: str, after: frozenset[int], *, takes_over: bool) -> None:
        self._started[call] = self._say(Start(call, job, after, takes_over=takes_over))
        assert isinstance(self._answer, int)
        self._epoch[call] = self._answer

    def _one_round(self, number: int) -> None:
        chosen = self._random.sample(range(CALLS), self._random.randint(1, CALLS))
        for call in chosen:
            grown = self.used[call] + self._random.randint(0, 7)
            self.used[call] = min(grown, USED_MAX_SECONDS)
        reports = tuple((call, self._epoch[call], self.used[call]) for call in chosen)
        self._say(Settle(reports, frozenset(self._started[call] for call in chosen)))
        dice = self._random.random()
        account = self._random.randrange(ACCOUNTS)
        if dice < 0.2:
            self._take_over(self._random.choice(chosen))
        elif dice < 0.3:
            self._post(Post(account, 70_000, "topup", f"t{number}", frozenset()))
        elif dice < 0.4:
            self._post(Post(account, -7 * 10**8, "dispute", f"d{number}", frozenset()))

    def _post(self, post: Post) -> None:
        """Money moves when all calls are there: what it changes about a grant is no repetition."""
        authorized = frozenset(
            position for position, said in enumerate(self.log) if isinstance(said, Authorize)
        )
        self._say(Post(post.account, post.amount, post.kind, post.key, authorized))

    def _take_over(self, call: int) -> None:
        """Another agent takes the call; the first runs on, reports, and wants to close it."""
        lost_epoch, before = self._epoch[call], self._started[call]
        job = f"job {len(self.log)}"
        if any(
            isinstance(said, Start) and said.takes_over and said.call == call for said in self.log
        ):
            return
        self._start(call, job, frozenset({before}), takes_over=True)
        won = frozenset({self._started[call]})
        self._say(Settle(((call, lost_epoch, self.used[call] + 300),), won))
        self._say(Close(call, lost_epoch, self.used[call] + 300, "agent", won))

    def _end(self, call: int) -> None:
        after = frozenset({self._started[call]})
        closed = self._say(Close(call, self._epoch[call], self.used[call], "agent", after))
        late = frozenset({closed})
        self._say(Close(call, None, 0, "reaper", late))
        self._say(Settle(((call, self._epoch[call], self.used[call] + 5),), late))
