"""
The credits that an invoice gives. Pure.

A line gives as many credits as its amount buys at the price it names: a whole month for the whole
amount, a part for a proration, less than nothing where Stripe gives money back for the unused rest
of a month, and nothing for a trial. Amounts of lines are before discounts, so a coupon makes a
month cheaper and not smaller. What was agreed for a price never changes, so the same invoice always
gives the same credits.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import accumulate
from typing import Final

from billing.money import floor_div
from billing.store.plans import PlanPrice
from billing.stripe_objects import Charge, Invoice, InvoiceLine
from shared.errors import Conflict

# Stripe bills a renewal an hour after the month's end: nobody is without credit in between.
RENEWAL_GRACE: Final = timedelta(days=1)


class PriceUnknown(Conflict):
    """An invoice has a price that no plan has"""

    code = "price_unknown"


@dataclass(frozen=True, slots=True)
class Split:
    """
    Micro-credits of one invoice, by who paid for them; together they are `whole`.

    `rest` is what no card paid for: a balance at Stripe, a coupon of 100 percent, or what is taken
    back because Stripe keeps the money as such a balance.
    """

    by_charge: Mapping[str, int]
    rest: int

    @property
    def whole(self) -> int:
        return self.rest + sum(self.by_charge.values())


def credits_of(invoice: Invoice, prices: Mapping[str, PlanPrice]) -> int:
    """
    Micro-credits that a paid invoice gives; 0 for one that is not paid, negative to take back.

    Raises PriceUnknown for a line with a price that is not in `prices`, or in another currency.
    """
    if invoice.status != "paid":
        return 0
    return sum(_credits_of(line, price) for line, price in _priced(invoice, prices))


def split(whole: int, *, total: int, charges: Sequence[Charge]) -> Split:
    """
    Each charge gets the part of `whole` that it paid of `total`, the invoice after discounts.

    Credit that is taken back is never a charge's: a refund of one would give it twice.
    """
    captured = [charge for charge in charges if charge.paid and charge.captured]
    paid = sum(charge.amount for charge in captured)
    if whole <= 0 or paid <= 0:
        return Split(dict.fromkeys((charge.id for charge in captured), 0), whole)
    base = max(total, paid)
    ends = [floor_div(whole * sum_, base) for sum_ in accumulate(c.amount for c in captured)]
    starts = [0, *ends]
    by_charge = {
        charge.id: end - start for charge, start, end in zip(captured, starts, ends, strict=False)
    }
    return Split(by_charge, whole - ends[-1])


def granted_until(invoice: Invoice, prices: Mapping[str, PlanPrice]) -> datetime | None:
    """When what the invoice gives expires: by the rule of its largest line; None for never."""
    line, price = _largest(invoice, prices)
    if line is None or price is None or price.rollover_months is None:
        return None
    return months_later(line.period_end, price.rollover_months) + RENEWAL_GRACE


def kept_at_renewal(invoice: Invoice, prices: Mapping[str, PlanPrice]) -> int:
    """Micro-credits of earlier months that may live on with this one; 0 but for a paid renewal."""
    if invoice.status != "paid" or invoice.billing_reason != "subscription_cycle":
        return 0
    _, price = _largest(invoice, prices)
    return (price.rollover_credits or 0) if price else 0


def _largest(
    invoice: Invoice, prices: Mapping[str, PlanPrice]
) -> tuple[InvoiceLine, PlanPrice] | tuple[None, None]:
    """The line that the rules of the invoice are read from."""
    priced = [(line, price) for line, price in _priced(invoice, prices) if line.amount > 0]
    return max(priced, key=lambda pair: pair[0].amount, default=(None, None))


def months_later(moment: datetime, months: int) -> datetime:
    """The same day of a later month; the last one where that month is shorter."""
    year, month = divmod(moment.year * 12 + moment.month - 1 + months, 12)
    for day in range(moment.day, moment.day - 4, -1):
        try:
            return moment.replace(year=year, month=month + 1, day=day)
        except ValueError:
            continue
    raise AssertionError("every month has 28 days")


def _priced(
    invoice: Invoice, prices: Mapping[str, PlanPrice]
) -> Iterator[tuple[InvoiceLine, PlanPrice]]:
    """Lines with a price; one without is no plan's (a fee that an operator wrote on it)."""
    for line in invoice.lines:
        if line.price is None:
            continue
        price = prices.get(line.price)
        if price is None or price.currency != invoice.currency:
            raise PriceUnknown
        yield line, price


def _credits_of(line: InvoiceLine, price: PlanPrice) -> int:
    """Rounded towards zero: what is taken back is never more than what was given."""
    size = floor_div(abs(line.amount) * price.credits, price.amount)
    return size if line.amount >= 0 else -size
