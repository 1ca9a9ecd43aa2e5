"""
Lots against a small model, beside calls, one-shot work, claw-backs, caps and the end of days.

Hypothesis drives everything of the charging and generation machines and, in any order with it,
grants of every kind, refunds of a payment, days that end, the sweep, rollovers and spending caps.
Two negative controls take two ideas out of the SQL: the order of burning, and that holds are
spared.
"""

from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import invariant, precondition, rule, run_state_machine_as_test

from tests.properties.ledger_bench import LedgerBench
from tests.properties.lot_model import DAYS, LotAccount, ending
from tests.properties.test_charging_machine import Account
from tests.properties.test_generation_machine import Charge, GenerationMachine
from tests.properties.weakened import patch

KINDS = {
    "freemium": "free",
    "promo": "promotional",
    "subscription_grant": "subscription",
    "topup": "purchased",
}
LATEST_FIRST = ("is_open order by expires_at, priority, id loop", "is_open order by id desc loop")
HELD_TOO = ("gone := greatest(l.remaining - held, 0)", "gone := l.remaining")


class LotsMachine(GenerationMachine):
    account: LotAccount
    posts = 0
    renewals = 0

    def new_account(self) -> Account:
        return LotAccount()

    def _settle_in_model(self, charge: Charge, quantity: int, model: str | None) -> str:
        before = self.account.balance
        outcome = super()._settle_in_model(charge, quantity, model)
        if outcome == "settled":
            self.account.debit(before)
        return outcome

    def _post_as(self, amount: int, kind: str, source_id: str, ends: int) -> None:
        self.posts += 1
        assert self.bench.value(
            "select credit_post_v2($1, $2, $3, 'stripe', $4, null, null, $5)",
            self.user,
            amount,
            kind,
            f"{source_id}:{self.posts}",
            ending(ends, today=self.account.today),
        )

    def _payment(self, name: str) -> str:
        return f"ch_{self.user}_{name}"

    @rule(
        kind=st.sampled_from(sorted(KINDS)),
        name=st.sampled_from("ab"),
        amount=st.integers(1, 400_000),
        lasts=st.sampled_from([1, 1, 1, 2, 3, DAYS]),
    )
    def grant(self, kind: str, name: str, amount: int, lasts: int) -> None:
        payment, ends = self._payment(name), min(self.account.today + lasts, DAYS)
        self._post_as(amount, kind, payment, ends)
        self.account.post_lot(amount, KINDS[kind], ends, payment)

    @rule(name=st.sampled_from("ab"), amount=st.integers(1, 150_000))
    def refund(self, name: str, amount: int) -> None:
        payment = self._payment(name)
        self._post_as(-amount, "refund", payment, DAYS)
        self.account.post_lot(-amount, "purchased", DAYS, payment)

    @rule(name=st.sampled_from("ab"), amount=st.integers(1, 50_000))
    def win_dispute(self, name: str, amount: int) -> None:
        payment = self._payment(name)
        self._post_as(amount, "dispute_reversal", payment, DAYS)
        self.account.restore(amount, payment)

    @precondition(lambda self: self.account.today < DAYS - 1)
    @rule(swept=st.booleans())
    def a_day_ends(self, swept: bool) -> None:
        before = ending(self.account.today + 1, today=self.account.today)
        self.account.today += 1
        self.bench.execute(
            "update credit_lots set expires_at = $3 where user_id = $1 and expires_at = $2",
            self.user,
            before,
            ending(self.account.today, today=self.account.today),
        )
        if swept:
            self.sweep()

    @rule()
    def sweep(self) -> None:
        for _ in range(2):  # the second finds nothing
            self.bench.rows("select lots from lots_sweep_v1(1000, '-infinity', 0)")
        self.account.refresh()

    @rule(amount=st.integers(0, 100_000), ends=st.integers(2, DAYS - 1))
    def renew(self, amount: int, ends: int) -> None:
        self.renewals += 1
        kept = self.account.roll_over(amount, ends) if ends > self.account.today else 0
        for expected in (kept, 0):  # the second is the same renewal again
            assert expected == self.bench.value(
                "select lots_roll_over_v1($1, $2, $3, $4)",
                self.user,
                f"in_{self.renewals}",
                amount,
                ending(ends, today=self.account.today),
            )

    @rule(cap=st.none() | st.integers(0, 400_000))
    def set_cap(self, cap: int | None) -> None:
        self.account.cap = cap
        self.bench.execute("update credits set spend_cap = $2 where user_id = $1", self.user, cap)

    @invariant()
    def lots_equal_the_model(self) -> None:
        if not hasattr(self, "account"):
            return
        rows = self.bench.rows(
            "select kind, remaining, expired from credit_lots where user_id = $1 order by id",
            self.user,
        )
        assert rows == [(lot.kind, lot.remaining, lot.expired) for lot in self.account.lots]
        assert sum(row[1] for row in rows) == self.account.balance


def _run(bench: LedgerBench, *, examples: int, **more: Any) -> None:
    run_state_machine_as_test(
        type("Machine", (LotsMachine,), {"bench": bench}),
        settings=settings(
            max_examples=examples,
            stateful_step_count=50,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            **more,
        ),
    )


def test_any_history_ends_in_the_lots_of_the_model(db_dsn: str) -> None:
    bench = LedgerBench(db_dsn)
    try:
        _run(bench, examples=60)
    finally:
        bench.close()


@pytest.mark.parametrize("change", [LATEST_FIRST, HELD_TOO], ids=["burn order", "holds are spared"])
def test_without_one_idea_of_lots_the_machine_notices(db_dsn: str, change: tuple[str, str]) -> None:
    """Negative control: the latest lot is burnt first, or credit goes that a hold lies on."""
    bench = LedgerBench(db_dsn)
    bench.run(patch(db_dsn, change))
    try:
        with pytest.raises(Exception, match=r"assert|violates check constraint"):
            _run(
                bench,
                examples=100,
                phases=[Phase.generate],  # shrinking would only take time
                report_multiple_bugs=False,
                derandomize=True,
                database=None,
            )
    finally:
        bench.close()
