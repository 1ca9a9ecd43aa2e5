"""What an invoice gives, for any invoice."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.invoice_credits import (
    RENEWAL_GRACE,
    PriceUnknown,
    credits_of,
    granted_until,
    months_later,
    split,
)
from billing.money import MICRO
from billing.payments import shares_of
from billing.store.plans import PlanPrice
from billing.stripe_objects import Charge, Invoice, InvoiceLine

NOW = datetime(2026, 1, 31, tzinfo=UTC)
STARTER = PlanPrice(
    stripe_price="price_starter",
    plan_id="starter",
    currency="usd",
    amount=500,
    credits=11_500 * MICRO,
    rollover_months=0,
)
PRO = replace(
    STARTER,
    stripe_price="price_pro",
    plan_id="pro",
    amount=7_500,
    credits=345_000 * MICRO,
    rollover_months=2,
)
PRICES = {price.stripe_price: price for price in (STARTER, PRO)}

amounts = st.integers(min_value=0, max_value=1_000_000)
wholes = st.integers(min_value=-(10**15), max_value=10**15)


def line(price: str | None, amount: int, *, is_proration: bool = False) -> InvoiceLine:
    return InvoiceLine(
        id="il",
        price=price,
        amount=amount,
        quantity=1,
        is_proration=is_proration,
        period_start=NOW,
        period_end=NOW,
    )


def invoice(*lines: InvoiceLine, status: str = "paid", currency: str = "usd") -> Invoice:
    total = sum(it.amount for it in lines)
    return Invoice(
        id="in_1",
        customer="cus_1",
        subscription="sub_1",
        billing_reason="subscription_cycle",
        status=status,
        currency=currency,
        subtotal=total,
        total=total,
        amount_paid=max(total, 0),
        charges=(),
        lines=lines,
        created_at=NOW,
    )


def charge(number: int, amount: int, *, refunded: int = 0) -> Charge:
    return Charge(
        id=f"ch_{number}",
        payment_intent=None,
        invoice="in_1",
        customer="cus_1",
        amount=amount,
        currency="usd",
        paid=True,
        captured=True,
        refunded=refunded,
        disputed=0,
        dispute_status=None,
        created_at=NOW,
        metadata={},
    )


def test_a_month_at_its_price_gives_the_month() -> None:
    assert credits_of(invoice(line("price_starter", 500)), PRICES) == 11_500 * MICRO


def test_a_trial_gives_nothing() -> None:
    assert credits_of(invoice(line("price_pro", 0)), PRICES) == 0


def test_half_a_month_up_gives_the_difference() -> None:
    bill = invoice(
        line("price_starter", -250, is_proration=True), line("price_pro", 3_750, is_proration=True)
    )
    assert credits_of(bill, PRICES) == (172_500 - 5_750) * MICRO


def test_half_a_month_down_takes_back() -> None:
    bill = invoice(
        line("price_pro", -3_750, is_proration=True),
        line("price_starter", 250, is_proration=True),
        line("price_starter", 500),
    )
    assert credits_of(bill, PRICES) == (-172_500 + 5_750 + 11_500) * MICRO


@pytest.mark.parametrize("status", ["draft", "open", "uncollectible", "void"])
def test_what_is_not_paid_gives_nothing(status: str) -> None:
    assert credits_of(invoice(line("price_pro", 7_500), status=status), PRICES) == 0


def test_a_fee_without_a_price_gives_nothing() -> None:
    assert credits_of(invoice(line(None, 900), line("price_starter", 500)), PRICES) == (
        11_500 * MICRO
    )


@pytest.mark.parametrize(("price", "currency"), [("price_of_nobody", "usd"), ("price_pro", "jpy")])
def test_a_price_nobody_promised_anything_for_is_a_problem(price: str, currency: str) -> None:
    with pytest.raises(PriceUnknown):
        credits_of(invoice(line(price, 500), currency=currency), PRICES)


@given(st.lists(st.tuples(st.sampled_from(sorted(PRICES)), amounts), max_size=6))
def test_what_is_given_back_never_exceeds_what_was_given(lines: list[tuple[str, int]]) -> None:
    given_ = credits_of(invoice(*(line(price, amount) for price, amount in lines)), PRICES)
    taken = credits_of(invoice(*(line(price, -amount) for price, amount in lines)), PRICES)
    assert given_ + taken == 0


@given(st.sampled_from(sorted(PRICES)), st.lists(amounts, min_size=1, max_size=6))
def test_parts_of_a_month_never_give_more_than_the_whole(price: str, parts: list[int]) -> None:
    whole = credits_of(invoice(line(price, sum(parts))), PRICES)
    pieces = credits_of(invoice(*(line(price, part) for part in parts)), PRICES)
    assert 0 <= whole - pieces < len(parts)


@given(wholes, amounts, st.lists(amounts, max_size=5))
def test_a_split_is_whole_and_every_share_has_its_sign(
    whole: int, total: int, paid: list[int]
) -> None:
    charges = [charge(number, amount) for number, amount in enumerate(paid)]
    shares = split(whole, total=total, charges=charges)
    assert shares.whole == whole
    assert all(share >= 0 for share in shares.by_charge.values())
    assert shares.rest * whole >= 0, "the rest never goes against the whole"


@given(st.integers(1, 10**15), st.lists(st.integers(1, 10**6), min_size=1, max_size=5))
def test_what_cards_paid_alone_is_theirs_alone(whole: int, paid: list[int]) -> None:
    charges = [charge(number, amount) for number, amount in enumerate(paid)]
    assert split(whole, total=sum(paid), charges=charges).rest == 0


@given(st.integers(1, 10**15), st.lists(st.integers(1, 10**6), min_size=1, max_size=5))
def test_refunding_every_charge_leaves_nothing(whole: int, paid: list[int]) -> None:
    charges = [charge(n, amount, refunded=amount) for n, amount in enumerate(paid)]
    shares = split(whole, total=sum(paid), charges=charges)
    assert sum(shares_of(it, shares.by_charge[it.id]).net for it in charges) == 0


def test_a_balance_at_stripe_pays_its_part() -> None:
    """600 of 1,000 came from what an earlier proration left; a refund of the card is 400."""
    shares = split(1_000 * MICRO, total=1_000, charges=[charge(1, 400)])
    assert shares.by_charge == {"ch_1": 400 * MICRO}
    assert shares.rest == 600 * MICRO


def test_the_largest_line_says_when_it_expires() -> None:
    bill = invoice(line("price_starter", 100), line("price_pro", 3_000))
    assert granted_until(bill, PRICES) == datetime(2026, 3, 31, tzinfo=UTC) + RENEWAL_GRACE


def test_a_month_later_is_the_last_day_of_a_shorter_month() -> None:
    assert months_later(NOW, 1) == datetime(2026, 2, 28, tzinfo=UTC)
    assert months_later(NOW, 11) == datetime(2026, 12, 31, tzinfo=UTC)
    assert months_later(NOW, 12) == datetime(2027, 1, 31, tzinfo=UTC)
    assert months_later(NOW, 0) == NOW
