"""
One-shot charges against a small model, beside running calls of the same account.

Hypothesis drives everything of the charging machine and, in any order with it, reserve, settle,
release, expiry and new price lists, with repeated, conflicting and late requests.
"""

from dataclasses import dataclass
from uuid import UUID

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    MultipleResults,
    initialize,
    invariant,
    multiple,
    precondition,
    rule,
    run_state_machine_as_test,
)

from billing.pricing import generation_cost
from shared.ids import new_uuid
from tests.properties.ledger_bench import LedgerBench
from tests.properties.test_charging_machine import ChargingMachine

TTL_S = 3_600  # longer than the test; time passes by a rule
# (price, per units, minimum): each rounds differently, the last costs its minimum up to 900 units
PRICES = ((1, 1, 0), (7, 3, 0), (99_999, 1_000, 0), (1, 1_000_000, 0), (10, 1, 9_000))
MODELS = ("a", "a", "b", "b", "unknown")  # the unknown one has no price

PUBLISH = """
with card as (
  insert into rate_cards(version, effective_from, published_by, reason)
  select max(version) + 1, clock_timestamp(), 'test', 'test' from rate_cards returning version)
insert into rates(version, product, model, plan, channel, unit, price_microcredits, per_units,
  minimum_microcredits)
select version, 'speech', r.* from card, unnest($1::text[], $2::text[], $3::text[], $4::text[],
  $5::bigint[], $6::int[], $7::bigint[]) r
"""

Price = tuple[int, int, int]


@dataclass
class Charge:
    id: UUID
    request: bytes
    model: str
    price: Price
    on_card: dict[str, Price]  # what the card it began with asks for each model
    hold: int
    state: str = "reserved"
    quantity: int | None = None
    cost: int = 0
    overdue: bool = False


def cost_of(price: Price, quantity: int) -> int:
    return generation_cost(
        price_microcredits=price[0],
        per_units=price[1],
        minimum_microcredits=price[2],
        quantity=quantity,
    )


class GenerationMachine(ChargingMachine):
    """The rules of calls are inherited; both kinds of holds share one account."""

    charges = Bundle("charges")

    @initialize(a=st.sampled_from(PRICES), b=st.sampled_from(PRICES))
    def print_prices(self, a: Price, b: Price) -> None:
        self.by_key: dict[str, Charge] = {}
        self.publish(a, b)

    @rule(a=st.sampled_from(PRICES), b=st.sampled_from(PRICES))
    def publish(self, a: Price, b: Price) -> None:
        """Model b is cheaper or dearer over the api, which nobody here uses."""
        rows = [("a", "*", "*", a), ("b", "*", "*", b), ("b", "free", "api", PRICES[0])]
        self.bench.execute(
            PUBLISH,
            *([row[n] for row in rows] for n in range(3)),
            ["character"] * len(rows),
            *([row[3][n] for row in rows] for n in range(3)),
        )
        self.card = {"a": a, "b": b}

    @rule(
        target=charges,
        key=st.sampled_from([f"key-{n}" for n in range(4)]),
        model=st.sampled_from(MODELS),
        quantity=st.integers(1, 9_999),
        request=st.sampled_from([b"1" * 32, b"1" * 32, b"2" * 32]),
    )
    def reserve(
        self, key: str, model: str, quantity: int, request: bytes
    ) -> MultipleResults[Charge]:
        before = self.by_key.get(key)
        for _ in range(2):  # the reply of the first was lost
            charge_id = new_uuid()
            expected = self._reserve_in_model(charge_id, key, model, quantity, request)
            [(outcome, found)] = self.bench.rows(
                "select outcome, (charge).id "
                "from charge_reserve_v2($1, $2, $3, $4, 'speech', $5, 'web', $6, $7)",
                charge_id,
                self.user,
                key,
                request,
                model,
                quantity,
                TTL_S,
            )
            assert outcome == expected
            known = self.by_key.get(key)
            assert found == (known.id if known else None)
        after = self.by_key.get(key)
        return multiple(after) if after is not None and after is not before else multiple()

    def _reserve_in_model(
        self, charge_id: UUID, key: str, model: str, quantity: int, request: bytes
    ) -> str:
        self.account.refresh()
        known = self.by_key.get(key)
        if known:
            return "known" if known.request == request else "conflict"
        if model not in self.card:
            return "no_price"
        hold = cost_of(self.card[model], quantity)
        if self.account.debt or hold > self.account.free:
            return "no_credit"
        if hold > self.account.spendable:
            return "over_cap"
        self.by_key[key] = Charge(charge_id, request, model, self.card[model], self.card, hold)
        self.account.reserved += hold
        return "reserved"

    @rule(
        charge=charges,
        quantity=st.integers(1, 20_000),
        model=st.sampled_from([None, None, *MODELS]),
    )
    def settle_charge(self, charge: Charge, quantity: int, model: str | None) -> None:
        expected = self._settle_in_model(charge, quantity, model)
        outcome = self.bench.value(
            "select outcome from charge_settle_v2($1, $2, $3)", charge.id, quantity, model
        )
        assert outcome == expected

    def _settle_in_model(self, charge: Charge, quantity: int, model: str | None) -> str:
        if charge.state != "reserved":
            return {"settled": "known", "released": "released"}[charge.state]
        if model == "unknown":
            return "no_price"
        if model and model != charge.model:
            charge.price = charge.on_card[model]
        charge.state, charge.quantity = "settled", quantity
        charge.cost = min(charge.hold, cost_of(charge.price, quantity))
        self.account.reserved -= charge.hold
        self.account.balance -= charge.cost
        return "settled"

    @rule(charge=charges)
    def release_charge(self, charge: Charge) -> None:
        expected = {"settled": "settled", "released": "known", "reserved": "released"}[charge.state]
        outcome = self.bench.value("select outcome from charge_release_v1($1, 'failed')", charge.id)
        assert outcome == expected
        self._release_in_model([charge])

    def _release_in_model(self, ended: list[Charge]) -> None:
        for charge in ended:
            if charge.state == "reserved":
                charge.state = "released"
                self.account.reserved -= charge.hold

    @rule(charge=charges)
    def time_passes(self, charge: Charge) -> None:
        """Whatever has become of it, its time is over."""
        charge.overdue = True
        self.bench.execute(
            "update generation_charges set expires_at = clock_timestamp() - interval '1 hour' "
            "where id = $1",
            charge.id,
        )

    @precondition(lambda self: any(charge.overdue for charge in self.by_key.values()))
    @rule()
    def expire(self) -> None:
        due = [c for c in self.by_key.values() if c.overdue and c.state == "reserved"]
        expired = self.bench.rows("select id from charge_expire_v1(100)")
        assert {row[0] for row in expired} == {charge.id for charge in due}
        self._release_in_model(due)

    @invariant()
    def charges_equal_the_model(self) -> None:
        if not hasattr(self, "by_key"):
            return
        rows = self.bench.rows(
            "select id, state, hold, quantity, cost from generation_charges where user_id = $1",
            self.user,
        )
        assert {row[0]: row[1:] for row in rows} == {
            c.id: (c.state, c.hold, c.quantity, c.cost) for c in self.by_key.values()
        }

    def teardown(self) -> None:
        self.bench.rows("select 1 from charge_expire_v1(100)")  # nothing left for the next example
        super().teardown()


def test_any_history_of_calls_and_charges_ends_in_the_rows_of_the_model(db_dsn: str) -> None:
    """Holds of calls and of one-shot work, in any order, equal the model's books."""
    bench = LedgerBench(db_dsn)
    machine = type("Machine", (GenerationMachine,), {"bench": bench})
    try:
        run_state_machine_as_test(
            machine,
            settings=settings(
                max_examples=100,
                stateful_step_count=40,
                deadline=None,
                suppress_health_check=list(HealthCheck),
            ),
        )
    finally:
        bench.close()
