"""One-shot charges on real Postgres: holds, debits, repeats, races and their end."""

import asyncio
import contextlib
import hashlib
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass
from uuid import UUID

import asyncpg
import pytest
import pytest_asyncio

from billing import generation_charges as charges
from billing import ledger
from billing.generation_charges import (
    CannotAfford,
    ChargeNotFound,
    ChargeReleased,
    KeyReused,
    ReleaseReason,
    Reservation,
)
from billing.money import MICRO, from_credits
from billing.price_book import NotPriced
from billing.store.generation_charges import Charge
from shared.db import Pool, open_pool, transaction
from shared.errors import Invalid
from shared.ids import new_uuid
from shared.migrate import MIGRATIONS
from shared.settings import PostgresSettings
from tests.integration.priced_work import SETTINGS, begin_call, publish, rate, rich_account


@dataclass
class Money:
    balance: int
    reserved: int
    debt: int


class Desk:
    """What a program does with charges, each step a transaction of its own."""

    def __init__(self, pool: Pool) -> None:
        self.pool = pool

    async def account(self, whole_credits: int, subject: str = "someone") -> UUID:
        user = await rich_account(self.pool, subject)
        await self.post(user, whole_credits - 100_000, "set")
        return user

    async def post(self, user: UUID, whole_credits: int, key: str) -> None:
        async with transaction(self.pool) as tx:
            await ledger.post(
                tx,
                user_id=user,
                amount=from_credits(whole_credits),
                kind="adjust",
                source="test",
                source_id=f"{user}:{key}",
            )

    async def reserve(
        self,
        user: UUID,
        quantity: int,
        *,
        key: str | None = None,
        request: str = "hello",
        model: str = "local",
    ) -> Reservation:
        async with transaction(self.pool) as tx:
            return await charges.reserve(
                tx,
                user_id=user,
                idempotency_key=key or str(new_uuid()),
                request_sha256=hashlib.sha256(request.encode()).digest(),
                product="speech",
                model=model,
                quantity_max=quantity,
            )

    async def settle(self, charge: Charge, quantity: int, model: str | None = None) -> Charge:
        async with transaction(self.pool) as tx:
            return await charges.settle(tx, charge_id=charge.id, quantity=quantity, model=model)

    async def release(self, charge: Charge) -> Charge:
        async with transaction(self.pool) as tx:
            return await charges.release(tx, charge_id=charge.id, reason=ReleaseReason.FAILED)

    async def expire(self, limit: int = 500) -> list[Charge]:
        async with transaction(self.pool) as tx:
            return await charges.expire(tx, limit=limit)

    async def make_overdue(self) -> None:
        await self.pool.execute(
            "update generation_charges set expires_at = clock_timestamp() - interval '1 second' "
            "where state = 'reserved'"
        )

    async def money(self, user: UUID) -> Money:
        async with transaction(self.pool) as tx:
            balance = await ledger.balance_of(tx, user)
        return Money(balance.balance // MICRO, balance.reserved // MICRO, balance.debt // MICRO)

    async def violations(self) -> set[str]:
        rows = await self.pool.fetch("select invariant from invariant_violations")
        return {row["invariant"] for row in rows}


@pytest_asyncio.fixture
async def desk(db_dsn: str) -> AsyncIterator[Desk]:
    settings = PostgresSettings.model_validate({"database_url": db_dsn, "database_pool_max": 20})
    pool = await open_pool(settings, application_name="tests")
    yield Desk(pool)
    await pool.close()


async def test_a_charge_is_held_then_debited_by_what_was_delivered(desk: Desk) -> None:
    user = await desk.account(1_000)

    reserved = await desk.reserve(user, 400)
    held = await desk.money(user)
    settled = await desk.settle(reserved.charge, 150)

    assert reserved.is_new
    assert (reserved.charge.state, reserved.charge.unit) == ("reserved", "character")
    assert held == Money(1_000, 400, 0)
    assert (settled.state, settled.quantity, settled.cost) == ("settled", 150, 150 * MICRO)
    assert (settled.end_reason, settled.rate_card_version) == ("delivered", 1)
    assert await desk.money(user) == Money(850, 0, 0)
    assert await desk.violations() == set()


async def test_a_repeated_settle_debits_once_whatever_it_says(desk: Desk) -> None:
    user = await desk.account(1_000)
    charge = (await desk.reserve(user, 400)).charge

    first = await desk.settle(charge, 150)
    others = await asyncio.gather(*(desk.settle(charge, n) for n in (150, 151, 400)))

    assert others == [first] * 3
    debits = await desk.pool.fetch(
        "select kind, amount, source, source_id from credit_transactions where charge_id = $1",
        charge.id,
    )
    assert [tuple(row) for row in debits] == [
        ("generation", -150 * MICRO, "generation", str(charge.id))
    ]


async def test_more_delivered_than_held_costs_the_hold(desk: Desk) -> None:
    """The estimate was ours, so its error is not the customer's."""
    user = await desk.account(1_000)
    charge = (await desk.reserve(user, 400)).charge

    settled = await desk.settle(charge, 1_000)

    assert (settled.quantity, settled.cost) == (1_000, 400 * MICRO)
    assert await desk.money(user) == Money(600, 0, 0)


async def test_a_released_charge_costs_nothing_and_stays_released(desk: Desk) -> None:
    user = await desk.account(1_000)
    charge = (await desk.reserve(user, 400, key="once")).charge

    released = await desk.release(charge)
    again = await desk.release(charge)
    with pytest.raises(ChargeReleased):
        await desk.settle(charge, 10)
    repeated = await desk.reserve(user, 400, key="once")

    assert released == again == repeated.charge
    assert (released.state, released.end_reason, repeated.is_new) == ("released", "failed", False)
    assert await desk.money(user) == Money(1_000, 0, 0)
    assert await desk.violations() == set()


async def test_a_settled_charge_cannot_be_released(desk: Desk) -> None:
    user = await desk.account(1_000)
    charge = (await desk.reserve(user, 400)).charge
    settled = await desk.settle(charge, 100)

    assert await desk.release(charge) == settled
    assert await desk.money(user) == Money(900, 0, 0)


async def test_fifty_reserves_at_once_never_hold_more_than_there_is(desk: Desk) -> None:
    user = await desk.account(1_000)

    answers = await asyncio.gather(
        *(desk.reserve(user, 48) for _ in range(50)), return_exceptions=True
    )

    assert Counter(type(answer) for answer in answers) == {Reservation: 20, CannotAfford: 30}
    assert await desk.money(user) == Money(1_000, 960, 0)
    assert await desk.violations() == set()


async def test_the_same_request_twenty_times_at_once_is_one_charge(desk: Desk) -> None:
    user = await desk.account(1_000)

    answers = await asyncio.gather(*(desk.reserve(user, 100, key="same") for _ in range(20)))

    assert len({answer.charge.id for answer in answers}) == 1
    assert sum(answer.is_new for answer in answers) == 1
    assert await desk.money(user) == Money(1_000, 100, 0)


async def test_a_key_belongs_to_one_request_of_one_account(desk: Desk) -> None:
    user, stranger = await desk.account(1_000), await desk.account(1_000, "stranger")
    mine = await desk.reserve(user, 100, key="same")

    with pytest.raises(KeyReused):
        await desk.reserve(user, 100, key="same", request="another text")
    theirs = await desk.reserve(stranger, 100, key="same", request="another text")

    assert theirs.is_new
    assert theirs.charge.id != mine.charge.id


async def test_a_repeated_request_is_answered_even_when_the_credit_is_gone(desk: Desk) -> None:
    user = await desk.account(100)
    first = await desk.reserve(user, 100, key="same")
    await desk.settle(first.charge, 100)

    again = await desk.reserve(user, 100, key="same")

    assert (again.is_new, again.charge.state) == (False, "settled")


async def test_who_cannot_pay_is_told_how_much_is_missing(desk: Desk) -> None:
    user = await desk.account(150)
    await desk.reserve(user, 100)

    with pytest.raises(CannotAfford) as refused:
        await desk.reserve(user, 51)

    assert (refused.value.needed, refused.value.available) == (51 * MICRO, 50 * MICRO)
    assert refused.value.explanation == "This needs 51 credits; 50 credits are free"
    assert await desk.money(user) == Money(150, 100, 0)


async def test_who_owes_starts_nothing(desk: Desk) -> None:
    user = await desk.account(1_000)
    charge = (await desk.reserve(user, 900)).charge
    await desk.post(user, -300, "dispute")

    with pytest.raises(CannotAfford):
        await desk.reserve(user, 1)
    await desk.settle(charge, 900)

    assert await desk.money(user) == Money(0, 0, 200)
    assert await desk.violations() == set()


async def test_an_unknown_account_or_charge_changes_nothing(desk: Desk) -> None:
    user = await desk.account(1_000)
    charge = (await desk.reserve(user, 1)).charge
    await desk.release(charge)
    nobody, nothing = new_uuid(), new_uuid()

    with pytest.raises(CannotAfford):
        await desk.reserve(nobody, 10)
    async with transaction(desk.pool) as tx:
        for attempt in (
            charges.settle(tx, charge_id=nothing, quantity=1),
            charges.release(tx, charge_id=nothing, reason=ReleaseReason.FAILED),
            charges.find(tx, nothing),
        ):
            with pytest.raises(ChargeNotFound):
                await attempt


@pytest.mark.parametrize(
    ("key", "quantity"),
    [("", 1), ("k" * 256, 1), ("a\x00b", 1), ("a\nb", 1), ("k", 0), ("k", -1), ("k", 10_000_001)],
)
async def test_a_bad_reserve_is_refused(desk: Desk, key: str, quantity: int) -> None:
    user = await desk.account(1_000)

    with pytest.raises(Invalid):
        async with transaction(desk.pool) as tx:
            await charges.reserve(
                tx,
                user_id=user,
                idempotency_key=key,
                request_sha256=bytes(32),
                product="speech",
                model="local",
                quantity_max=quantity,
            )

    assert await desk.money(user) == Money(1_000, 0, 0)


async def test_a_charge_keeps_the_price_it_began_with(desk: Desk) -> None:
    user = await desk.account(1_000)
    charge = (await desk.reserve(user, 100)).charge

    await publish(desk.pool, rate(), rate("speech", 9))
    settled = await desk.settle(charge, 100)
    later = await desk.reserve(user, 100)

    assert (settled.cost, settled.rate_card_version) == (100 * MICRO, 1)
    assert (later.charge.hold, later.charge.rate_card_version) == (900 * MICRO, 2)


async def test_the_model_that_did_the_work_sets_the_price(desk: Desk) -> None:
    await publish(
        desk.pool,
        rate(),
        rate("speech", 9),
        rate("speech", 2, model="flash"),
        rate("speech", 2, model="counts-tokens", unit="token"),
    )
    user = await desk.account(5_000)
    first, second = await desk.reserve(user, 100), await desk.reserve(user, 100)
    await publish(desk.pool, rate())  # withdrawn meanwhile; the charge keeps its card

    settled = await desk.settle(first.charge, 100, model="flash")
    with pytest.raises(NotPriced):
        await desk.settle(second.charge, 100, model="counts-tokens")

    assert (settled.model, settled.hold, settled.cost) == ("flash", 900 * MICRO, 200 * MICRO)
    assert await desk.money(user) == Money(4_800, 900, 0)
    assert await desk.violations() == set()


async def test_work_without_a_price_is_not_begun(desk: Desk) -> None:
    await publish(desk.pool, rate())
    user = await desk.account(1_000)

    with pytest.raises(NotPriced):
        await desk.reserve(user, 1)


async def test_calls_and_charges_share_one_balance(desk: Desk) -> None:
    user = await desk.account(2_500)
    charge = (await desk.reserve(user, 1_000)).charge

    _, held = await begin_call(desk.pool, user)
    with pytest.raises(CannotAfford):
        await desk.reserve(user, 1)
    await desk.settle(charge, 1_000)

    assert SETTINGS.grant_seconds == 120
    assert held.granted_seconds == 90  # of 2,500 credits, 1,000 were held
    assert await desk.money(user) == Money(1_500, 1_500, 0)
    assert await desk.violations() == set()


async def test_only_what_is_overdue_expires_the_oldest_first(desk: Desk) -> None:
    user = await desk.account(1_000)
    late = [(await desk.reserve(user, 10)).charge for _ in range(3)]
    await desk.make_overdue()
    await desk.pool.execute(
        "update generation_charges set expires_at = expires_at - interval '1 hour' where id = $1",
        late[1].id,
    )
    fresh = (await desk.reserve(user, 10)).charge

    first = await desk.expire(limit=1)
    rest = await desk.expire()
    nothing = await desk.expire()

    assert [charge.id for charge in first] == [late[1].id]
    assert {charge.id for charge in rest} == {late[0].id, late[2].id}
    assert nothing == []
    assert {(c.state, c.end_reason, c.cost) for c in first + rest} == {("released", "expired", 0)}
    assert await desk.money(user) == Money(1_000, 10, 0)
    assert (await desk.settle(fresh, 10)).state == "settled"
    assert await desk.violations() == set()


async def test_an_overdue_charge_can_be_settled_until_it_is_released(desk: Desk) -> None:
    user = await desk.account(1_000)
    charge = (await desk.reserve(user, 10)).charge
    await desk.make_overdue()

    settled = await desk.settle(charge, 10)

    assert settled.state == "settled"
    assert await desk.expire() == []


async def test_expiry_waits_for_nobody(desk: Desk) -> None:
    """A stuck request of one account must not keep the holds of all others."""
    busy, idle = await desk.account(1_000), await desk.account(1_000, "idle")
    await desk.reserve(busy, 10)
    waiting = (await desk.reserve(idle, 10)).charge
    await desk.make_overdue()

    async with transaction(desk.pool) as tx:
        await tx.execute("select 1 from credits where user_id = $1 for no key update", busy)
        async with asyncio.timeout(5):
            expired = await desk.expire()
    afterwards = await desk.expire()

    assert [charge.id for charge in expired] == [waiting.id]
    assert [charge.user_id for charge in afterwards] == [busy]


async def test_old_charges_of_a_busy_account_hide_nobody_elses(desk: Desk) -> None:
    busy, idle = await desk.account(1_000), await desk.account(1_000, "idle")
    for user in (busy, busy, busy, idle):
        await desk.reserve(user, 10)
    await desk.make_overdue()

    async with transaction(desk.pool) as tx:
        await tx.execute("select 1 from credits where user_id = $1 for no key update", busy)
        expired = await desk.expire(limit=2)

    assert [charge.user_id for charge in expired] == [idle]


async def test_expiry_racing_settle_ends_each_charge_in_one_way(desk: Desk) -> None:
    """Expiry takes the oldest first, settles come from the other end, and they meet."""
    users = [await desk.account(1_000, f"user-{n}") for n in range(25)]
    made = [(await desk.reserve(user, 10)).charge for _ in range(8) for user in users]
    await desk.make_overdue()
    await asyncio.gather(*(desk.pool.fetchval("select pg_sleep(0.1)") for _ in range(6)))  # connect
    ended: Counter[str] = Counter()

    async def settle(mine: list[Charge]) -> None:
        for charge in mine:
            try:
                outcome = (await desk.settle(charge, 10)).state
            except ChargeReleased:
                outcome = "too late"
            ended[outcome] += 1

    async def expire() -> None:
        while ended["settled"] + ended["released"] < len(made):
            expired = await desk.expire(limit=1)
            ended["released"] += len(expired)

    newest_first = made[::-1]
    async with asyncio.timeout(60):
        await asyncio.gather(expire(), expire(), *(settle(newest_first[n::4]) for n in range(4)))

    rows = await desk.pool.fetch("select state, count(*) from generation_charges group by state")
    in_database = {row["state"]: row["count"] for row in rows}
    assert in_database == {"settled": ended["settled"], "released": ended["released"]}
    assert ended["too late"] == ended["released"]
    assert (await desk.money(users[0])).reserved == 0
    assert await desk.violations() == set()


async def test_no_order_of_work_deadlocks(desk: Desk) -> None:
    """Reserves, settles, releases, expiries and settles of calls cross each other's accounts."""
    users = [await desk.account(50_000, f"user-{n}") for n in range(6)]
    call_ids = [(await begin_call(desk.pool, user))[0] for user in users]

    async def work(number: int) -> None:
        for round_ in range(15):
            charge = (await desk.reserve(users[(number + round_) % 6], 10)).charge
            if (number + round_) % 3 == 0:
                await desk.settle(charge, 5)
            elif (number + round_) % 3 == 1:
                await desk.release(charge)

    async def settle_calls(*, backwards: bool) -> None:
        ids = call_ids[::-1] if backwards else call_ids
        for _ in range(40):
            await desk.pool.fetch(
                "select 1 from calls_settle_v1($1, $2, $3, 30, 15)", ids, [0] * 6, [0] * 6
            )

    async def expire() -> None:
        for _ in range(40):
            await desk.pool.execute(
                "update generation_charges set expires_at = created_at where id in ("
                "select id from generation_charges where state = 'reserved' limit 5 "
                "for no key update skip locked)"
            )
            await desk.expire(limit=10)

    async def work_until_lost(number: int) -> None:
        with contextlib.suppress(ChargeReleased):  # an expiry was faster
            await work(number)

    await asyncio.gather(
        *(work_until_lost(number) for number in range(8)),
        settle_calls(backwards=False),
        settle_calls(backwards=True),
        expire(),
        expire(),
    )
    await desk.make_overdue()
    await asyncio.gather(*(desk.expire(limit=10) for _ in range(8)))
    await desk.expire()

    assert (
        await desk.pool.fetchval("select count(*) from generation_charges where state = 'reserved'")
        == 0
    )
    assert await desk.violations() == set()


async def _patch(desk: Desk, old: str, new: str) -> None:
    """Redefine the functions of the migration with a piece of their text replaced."""
    sql = (MIGRATIONS / "0006_generation_charges.sql").read_text()
    assert old in sql, f"the patch no longer fits: {old}"
    functions = sql.replace(old, new).split("create function ")
    for function in functions[1:]:
        text = function.split("$$;")[0] + "$$;"
        if "language plpgsql" in text:
            await desk.pool.execute("create or replace function " + text)


@pytest.mark.parametrize(
    ("old", "new", "violation"),
    [
        (
            "update credits set reserved = reserved + h where user_id = p_user;",
            "",
            "I5 reserved = open holds",
        ),
        (
            "values (u, 'generation', -c.cost, p_charge, 'generation', p_charge::text);",
            "values (u, 'generation', -c.cost, null, 'generation', p_charge::text);",
            "I3 a settled charge has one debit of its cost",
        ),
        (
            "balance = balance - c.cost where user_id = u;",
            "balance = balance where user_id = u;",
            "I4 balance = ledger + debt",
        ),
        ("      r.version, r.price", "      99, r.price", "I14 a price is from a rate card"),
    ],
)
async def test_the_books_notice_when_a_step_is_left_out(
    desk: Desk, old: str, new: str, violation: str
) -> None:
    await _patch(desk, old, new)
    user = await desk.account(1_000)
    charge = (await desk.reserve(user, 10)).charge
    with contextlib.suppress(asyncpg.CheckViolationError):  # without its hold it cannot be settled
        await desk.settle(charge, 10)

    assert violation in await desk.violations()


async def test_the_table_itself_refuses_a_cost_beyond_the_hold(desk: Desk) -> None:
    await _patch(
        desk,
        "cost = least(c.hold, generation_cost(c.price_microcredits, c.per_units,\n"
        "        c.minimum_microcredits, p_quantity)),",
        "cost = generation_cost(c.price_microcredits, c.per_units,\n"
        "        c.minimum_microcredits, p_quantity),",
    )
    user = await desk.account(1_000)
    charge = (await desk.reserve(user, 10)).charge

    with pytest.raises(asyncpg.CheckViolationError):
        await desk.settle(charge, 11)
