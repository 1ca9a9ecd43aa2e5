"""
The charging engine against twenty lines of Python.

Hypothesis drives authorize, settle, takeover, close, top-up and dispute in any order, with stale,
repeated and future reports, and compares every row with the model after every step.
"""

from dataclasses import dataclass, field
from uuid import UUID

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from billing.pricing import affordable_seconds, call_cost
from shared.ids import new_uuid
from tests.properties.ledger_bench import LedgerBench

WANT_SECONDS, LOW_SECONDS = 30, 15
PRICES = (1, 59, 60, 61, 1_667, 99_999, 100_000)  # each leaves another remainder by 60


@dataclass
class Call:
    price: int
    cap: int
    granted: int
    epoch: int = 0
    seconds: int = 0
    is_open: bool = True


@dataclass
class Account:
    balance: int = 0
    reserved: int = 0
    debt: int = 0
    posted: set[str] = field(default_factory=set)
    calls: dict[UUID, Call] = field(default_factory=dict)

    @property
    def free(self) -> int:
        return self.balance - self.reserved

    @property
    def spendable(self) -> int:
        """What a new hold may take; less than what is free where there is a cap."""
        return self.free

    def refresh(self) -> None:
        """What the database does first when something new begins: nothing here."""

    def post(self, amount: int) -> None:
        if amount >= 0:
            repaid = min(self.debt, amount)
            self.balance += amount - repaid
            self.debt -= repaid
        else:
            taken = min(-amount, self.free)
            self.balance -= taken
            self.debt += -amount - taken

    def settle(self, call: Call, upto: int, *, asked: int = 0) -> int:
        """`asked`: what earlier calls of the batch asked for and did not get; then with this."""
        call.seconds = max(call.seconds, min(upto, call.granted))
        if self.debt or call.granted - call.seconds >= LOW_SECONDS:
            return asked
        held = call_cost(call.price, call.granted)
        target = min(call.seconds + WANT_SECONDS, call.cap)
        reachable = affordable_seconds(call.price, held + max(self.spendable - asked, 0))
        grown = max(call.granted, min(target, reachable))
        taken = call_cost(call.price, grown) - held
        self.reserved += taken
        call.granted = grown
        return asked + max(call_cost(call.price, target) - held, 0) - taken

    def close(self, call: Call, upto: int) -> None:
        call.seconds = max(call.seconds, min(upto, call.granted))
        self.reserved -= call_cost(call.price, call.granted)
        self.balance -= call_cost(call.price, call.seconds)
        call.is_open = False


class ChargingMachine(RuleBasedStateMachine):
    """One account; every rule may repeat or come late."""

    bench: LedgerBench
    calls = Bundle("calls")

    @initialize(amount=st.integers(min_value=0, max_value=400_000))
    def open_account(self, amount: int) -> None:
        self.user = self.bench.open_account()
        self.account = self.new_account()
        self.top_up("first", amount)

    def new_account(self) -> Account:
        return Account()

    def _post(self, key: str, amount: int, kind: str) -> None:
        posted = self.bench.value(
            "select credit_post_v2($1, $2, $3, 'test', $4)",
            self.user,
            amount,
            kind,
            f"{self.user}:{key}",
        )
        assert posted == (key not in self.account.posted)
        if posted:
            self.account.posted.add(key)
            self.account.post(amount)

    @rule(key=st.sampled_from(["a", "b", "c"]), amount=st.integers(1, 200_000))
    def top_up(self, key: str, amount: int) -> None:
        self._post(f"topup-{key}", amount, "topup")

    @rule(key=st.sampled_from(["a", "b"]), amount=st.integers(1, 300_000))
    def dispute(self, key: str, amount: int) -> None:
        self._post(f"dispute-{key}", -amount, "dispute")

    @rule(target=calls, price=st.sampled_from(PRICES), cap=st.integers(1, 200))
    def authorize(self, price: int, cap: int) -> UUID:
        call_id = new_uuid()
        self.account.refresh()
        expected = 0
        if not self.account.debt:
            expected = min(WANT_SECONDS, cap, affordable_seconds(price, self.account.spendable))
        for _ in range(2):  # the reply of the first was lost
            granted = self.bench.value(
                "select call_authorize_v3($1, $2, $3, $4, 1, $5, null, 1)",
                call_id,
                self.user,
                price,
                WANT_SECONDS,
                cap,
            )
            assert granted == expected
            if expected == 0:
                break
        if expected:
            self.account.calls[call_id] = Call(price, cap, expected)
            self.account.reserved += call_cost(price, expected)
        return call_id

    @rule(call_id=calls, job=st.sampled_from(["one", "two", "three"]))
    def start_or_take_over(self, call_id: UUID, job: str) -> None:
        call = self.account.calls.get(call_id)
        epoch = self.bench.start(call_id, "worker", f"{job}-{new_uuid()}")
        if call is None or not call.is_open:
            assert epoch is None
            return
        call.epoch += 1
        assert epoch == call.epoch

    @rule(
        reported=st.lists(
            st.tuples(calls, st.integers(0, 90), st.integers(-1, 0)), min_size=1, max_size=4
        )
    )
    def settle(self, reported: list[tuple[UUID, int, int]]) -> None:
        reports = []
        for call_id, upto, behind in reported:
            known = self.account.calls.get(call_id)
            reports.append((call_id, (known.epoch if known else 0) + behind, upto))
        self.bench.settle(reports, WANT_SECONDS, LOW_SECONDS)
        asked = 0
        for call_id in sorted({report[0] for report in reports}):
            call = self.account.calls.get(call_id)
            mine = [report for report in reports if report[0] == call_id]
            epoch, upto = max((report[1], report[2]) for report in mine)
            if call and call.is_open and epoch == call.epoch > 0:
                asked = self.account.settle(call, upto, asked=asked)

    @rule(call_id=calls, upto=st.integers(0, 90), behind=st.sampled_from([0, 0, 0, -1, None]))
    def close(self, call_id: UUID, upto: int, behind: int | None) -> None:
        call = self.account.calls.get(call_id)
        epoch = None if behind is None else (call.epoch if call else 0) + behind
        closed = self.bench.close_call(call_id, epoch, upto)
        if call is None:
            assert closed is None
        elif not call.is_open:
            assert closed == (call.seconds, True)
        elif behind == -1:
            assert closed is None
        else:
            answered = call.epoch > 0
            self.account.close(call, upto if answered else 0)
            assert closed == (call.seconds, False)

    @invariant()
    def rows_equal_the_model(self) -> None:
        if not hasattr(self, "account"):
            return
        account = self.account
        [money] = self.bench.rows(
            "select balance, reserved, debt from credits where user_id = $1", self.user
        )
        assert money == (account.balance, account.reserved, account.debt)
        rows = self.bench.rows(
            "select id, seconds, granted, cost, state in ('authorized', 'active') "
            "from call_sessions where user_id = $1",
            self.user,
        )
        assert {row[0]: row[1:] for row in rows} == {
            id_: (c.seconds, c.granted, call_cost(c.price, c.seconds), c.is_open)
            for id_, c in account.calls.items()
        }

    def teardown(self) -> None:
        assert self.bench.violations() == []


def test_any_history_ends_in_the_rows_of_the_model(db_dsn: str) -> None:
    """Any order of reports, takeovers, closes, top-ups and disputes equals the model's books."""
    bench = LedgerBench(db_dsn)
    machine = type("Machine", (ChargingMachine,), {"bench": bench})
    try:
        run_state_machine_as_test(
            machine,
            settings=settings(
                max_examples=150,
                stateful_step_count=30,
                deadline=None,
                suppress_health_check=list(HealthCheck),
            ),
        )
    finally:
        bench.close()


def test_a_batch_gives_no_call_what_an_earlier_one_asks_for(db_dsn: str) -> None:
    """Not even the part of a second that the earlier one cannot use: one sum, no loop, no bill."""
    bench = LedgerBench(db_dsn)
    try:
        machine = type("Machine", (ChargingMachine,), {"bench": bench})()
        machine.open_account(amount=51_030)
        dear, cheap = (
            machine.authorize(price=100_000, cap=200),
            machine.authorize(price=59, cap=200),
        )
        for call_id in (dear, cheap):
            machine.start_or_take_over(call_id, "one")
        machine.settle([(dear, 30, 0), (cheap, 30, 0)])
        machine.rows_equal_the_model()
        assert [call.granted for call in machine.account.calls.values()] == [30, 30]
        machine.settle([(cheap, 30, 0)])
        machine.rows_equal_the_model()
        assert machine.account.calls[cheap].granted == 60, "alone it gets it"
    finally:
        bench.close()
