"""One charge of Stripe's and the ledger: posted once, taken back in proportion, restored."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime

import asyncpg
import pytest
import pytest_asyncio
from hypothesis import given
from hypothesis import strategies as st

from billing import ledger, payments
from billing.money import from_credits
from billing.payments import ForeignPayment, Shares, postings, shares_of, sync_charge
from billing.store import payments as store
from billing.stripe_objects import Charge
from shared.db import _set_codecs
from tests import builders

CHARGE = Charge(
    id="ch_1",
    payment_intent="pi_1",
    invoice=None,
    customer="cus_1",
    amount=1_000,
    currency="usd",
    paid=True,
    captured=True,
    refunded=0,
    disputed=0,
    dispute_status=None,
    created_at=datetime(2026, 11, 21, tzinfo=UTC),
    metadata={},
)
GRANT = from_credits(25_000)


@pytest_asyncio.fixture
async def db(db_dsn: str) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    connection = await asyncpg.connect(db_dsn)
    await _set_codecs(connection)
    yield connection
    assert await builders.violations(connection) == []
    assert await store.violations(connection, limit=5) == []
    await connection.close()


class Buyer:
    def __init__(self, db: "asyncpg.Connection[asyncpg.Record]", account: builders.Account) -> None:
        self.db = db
        self.user_id = account.user_id

    async def sync(self, charge: Charge) -> int:
        async with self.db.transaction():
            return await sync_charge(
                self.db, charge, user_id=self.user_id, credits=GRANT, kind="topup"
            )

    async def money(self) -> tuple[float, float, bool]:
        """Whole credits and debt, and whether the account has paid."""
        it = await ledger.balance_of(self.db, self.user_id)
        return it.balance / 1_000_000, it.debt / 1_000_000, it.paid

    async def lines(self) -> list[tuple[str, float, str]]:
        rows = await self.db.fetch(
            "select kind, amount, source_id from credit_transactions where user_id = $1"
            " and source = 'stripe' order by id",
            self.user_id,
        )
        return [(row["kind"], row["amount"] / 1_000_000, row["source_id"]) for row in rows]


@pytest_asyncio.fixture
async def buyer(db: "asyncpg.Connection[asyncpg.Record]") -> Buyer:
    return Buyer(db, await builders.account(db, balance=0))


async def test_a_charge_is_posted_once_however_often_it_is_seen(buyer: Buyer) -> None:
    assert [await buyer.sync(CHARGE) for _ in range(3)] == [GRANT, 0, 0]

    assert await buyer.money() == (25_000, 0, True)
    assert await buyer.lines() == [("topup", 25_000, "ch_1:1")]


async def test_partial_refunds_add_up_to_the_whole_grant(buyer: Buyer) -> None:
    await buyer.sync(CHARGE)
    for refunded in (333, 334, 999, 1_000):
        await buyer.sync(replace(CHARGE, refunded=refunded))

    assert await buyer.money() == (0, 0, False)
    assert [kind for kind, _, _ in await buyer.lines()] == ["topup"] + ["refund"] * 4


async def test_a_refund_of_spent_credit_becomes_debt_that_is_paid_first(buyer: Buyer) -> None:
    await buyer.sync(CHARGE)
    await builders.take_credit(buyer.db, buyer.user_id, 20_000)

    await buyer.sync(replace(CHARGE, refunded=1_000))
    assert await buyer.money() == (0, 20_000, False)

    await buyer.sync(replace(CHARGE, id="ch_2"))
    assert await buyer.money() == (5_000, 0, True)


async def test_a_dispute_takes_credit_at_once_and_a_won_one_restores_it(buyer: Buyer) -> None:
    await buyer.sync(CHARGE)
    await buyer.sync(replace(CHARGE, disputed=1_000, dispute_status="needs_response"))
    assert await buyer.money() == (0, 0, False)

    await buyer.sync(replace(CHARGE, disputed=0, dispute_status="won"))

    assert await buyer.money() == (25_000, 0, True)
    assert await buyer.lines() == [
        ("topup", 25_000, "ch_1:1"),
        ("dispute", -25_000, "ch_1:2"),
        ("dispute_reversal", 25_000, "ch_1:3"),
    ]


async def test_what_is_refunded_and_disputed_is_taken_back_once(buyer: Buyer) -> None:
    await buyer.sync(replace(CHARGE, refunded=600))
    await buyer.sync(replace(CHARGE, refunded=600, disputed=1_000, dispute_status="needs_response"))

    assert await buyer.money() == (0, 0, False)
    assert await buyer.lines() == [
        ("topup", 25_000, "ch_1:1"),
        ("refund", -15_000, "ch_1:2"),
        ("dispute", -10_000, "ch_1:3"),
    ]


async def test_a_charge_that_was_never_paid_leaves_no_trace(buyer: Buyer) -> None:
    assert await buyer.sync(replace(CHARGE, paid=False)) == 0
    assert await buyer.db.fetchval("select count(*) from payments") == 0


async def test_a_payment_that_fails_after_all_takes_its_grant_back(buyer: Buyer) -> None:
    """Bank debits fail days after they were reported as paid."""
    await buyer.sync(CHARGE)
    await buyer.sync(replace(CHARGE, paid=False))

    assert await buyer.money() == (0, 0, False)


async def test_whoever_bought_otherwise_stays_a_paying_account(buyer: Buyer) -> None:
    await ledger.post(
        buyer.db,
        user_id=buyer.user_id,
        amount=from_credits(1),
        kind="topup",
        source="elsewhere",
        source_id="a bank transfer",
    )
    await buyer.sync(CHARGE)
    await buyer.sync(replace(CHARGE, refunded=1_000))

    assert await buyer.money() == (1, 0, True)


async def test_a_charge_of_somebody_else_is_refused(buyer: Buyer) -> None:
    await buyer.sync(CHARGE)
    other = Buyer(buyer.db, await builders.account(buyer.db, balance=0))

    with pytest.raises(ForeignPayment):
        await other.sync(CHARGE)
    assert await other.money() == (0, 0, False)


AMOUNTS = st.integers(min_value=1, max_value=10**9)
PARTS = st.integers(min_value=0, max_value=2 * 10**9)


@given(amount=AMOUNTS, grant=st.integers(0, 10**15), steps=st.lists(st.tuples(PARTS, PARTS)))
def test_any_path_of_refunds_and_disputes_ends_where_its_last_state_says(
    amount: int, grant: int, steps: list[tuple[int, int]]
) -> None:
    state, total = Shares(0, 0, 0), 0
    for refunded, disputed in [*steps, (amount, 0)]:
        charge = replace(CHARGE, amount=amount, refunded=refunded, disputed=disputed)
        after = shares_of(charge, grant)
        assert 0 <= after.net <= grant
        total += sum(posting.amount for posting in postings(state, after, kind="topup"))
        assert total == after.net
        state = after
    assert total == 0


def test_credit_comes_before_debits_so_that_no_debt_is_made_between() -> None:
    """A dispute that turned into a refund: given back, then taken again."""
    before, after = Shares(grant=10, refund=0, dispute=10), Shares(grant=10, refund=10, dispute=0)

    found = [(it.kind, it.amount) for it in postings(before, after, kind="topup")]

    assert found == [("dispute_reversal", 10), ("refund", -10)]


def test_every_kind_of_grant_is_known() -> None:
    assert {"topup", "subscription_grant"} == payments.GRANTS


async def test_a_grant_and_a_dispute_are_told_once(buyer: Buyer) -> None:
    await buyer.sync(CHARGE)
    for disputed in (500, 1_000, 0, 1_000):
        await buyer.sync(replace(CHARGE, disputed=disputed))

    told = await buyer.db.fetch("select kind, dedupe_key, payload from notices order by created_at")
    assert [(row["kind"], row["dedupe_key"]) for row in told] == [
        ("receipt", "ch_1"),
        ("dispute", "ch_1"),
    ]
    assert told[0]["payload"] == {"amount": 1_000, "currency": "usd", "credits": GRANT}
