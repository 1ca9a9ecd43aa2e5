"""SQL of subscriptions, their invoices, and the wishes to have one."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from billing.stripe_objects import Invoice, Subscription
from shared.db import Tx

LOCK_INVOICE = """
insert into subscription_invoices(invoice_id, user_id, subscription_id, status, billing_reason,
  currency, total, amount_paid, created_at)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9)
on conflict (invoice_id) do update set synced_at = clock_timestamp()
returning user_id, credits, posted, version
"""

UPDATE_INVOICE = """
update subscription_invoices set subscription_id = $2, number = $3, status = $4,
  billing_reason = $5, total = $6, amount_paid = $7, credits = $8, posted = $9, version = $10,
  returned = $11, hosted_url = $12, pdf_url = $13, period_start = $14, period_end = $15,
  synced_at = clock_timestamp()
where invoice_id = $1
"""

INVOICES_OF = """
select invoice_id, subscription_id, number, status, billing_reason, currency, total, amount_paid,
  credits, period_start, period_end, hosted_url, pdf_url, created_at
from subscription_invoices where user_id = $1 and status <> 'draft'
order by created_at desc, invoice_id limit $2
"""

FIND_INVOICE = """
select invoice_id, subscription_id, number, status, billing_reason, currency, total, amount_paid,
  credits, period_start, period_end, hosted_url, pdf_url, created_at
from subscription_invoices where invoice_id = $1 and user_id = $2
"""

PUT_SUBSCRIPTION = """
insert into subscriptions(id, user_id, plan_id, status, period_start, period_end,
  cancel_at_period_end)
values ($1, $2, (select plan_id from plan_prices where stripe_price = $3), $4, $5, $6, $7)
on conflict (id) do update set plan_id = excluded.plan_id, status = excluded.status,
  period_start = excluded.period_start, period_end = excluded.period_end,
  cancel_at_period_end = excluded.cancel_at_period_end, synced_at = clock_timestamp()
  where subscriptions.user_id = excluded.user_id
returning plan_id
"""

# Prorations without a payment say nothing about whether the month was paid.
SETTLE_RETURNED = """
update subscriptions s set returned = coalesce((
  select i.returned from subscription_invoices i
  where i.subscription_id = s.id and i.status = 'paid' and i.amount_paid > 0
  order by i.created_at desc limit 1), false)
where s.id = $1
"""

SUBSCRIPTIONS_OF = """
select id, plan_id, status, period_start, period_end, cancel_at_period_end, returned
from subscriptions where user_id = $1 order by period_end desc nulls last limit $2
"""

VIOLATIONS = "select invariant, key from subscription_violations order by key limit $1"


@dataclass(frozen=True, slots=True)
class Posted:
    """How far an invoice was posted: micro-credits, and how many ledger rows."""

    user_id: UUID
    credits: int
    posted: int
    version: int


@dataclass(frozen=True, slots=True)
class KnownInvoice:
    """Amounts in the currency's smallest unit, `credits` in micro-credits. The links age."""

    invoice_id: str
    subscription_id: str | None
    number: str | None
    status: str
    billing_reason: str
    currency: str
    total: int
    amount_paid: int
    credits: int
    period_start: datetime | None
    period_end: datetime | None
    hosted_url: str | None
    pdf_url: str | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class KnownSubscription:
    """`returned`: the money of its latest paid invoice went back, and so did what it allowed."""

    id: str
    plan_id: str | None
    status: str
    period_start: datetime | None
    period_end: datetime | None
    cancel_at_period_end: bool
    returned: bool


async def lock_invoice(tx: Tx, invoice: Invoice, *, owner: UUID) -> Posted:
    """The row of this invoice, made when it is new, locked until the transaction ends."""
    row = await tx.fetchrow(
        LOCK_INVOICE,
        invoice.id,
        owner,
        invoice.subscription,
        invoice.status,
        invoice.billing_reason,
        invoice.currency,
        invoice.total,
        invoice.amount_paid,
        invoice.created_at,
    )
    assert row is not None, "inserted or updated"
    return Posted(**row)


async def update_invoice(tx: Tx, invoice: Invoice, posted: Posted, *, returned: bool) -> None:
    month = max(invoice.lines, key=lambda line: line.amount, default=None)
    await tx.execute(
        UPDATE_INVOICE,
        invoice.id,
        invoice.subscription,
        invoice.number,
        invoice.status,
        invoice.billing_reason,
        invoice.total,
        invoice.amount_paid,
        posted.credits,
        posted.posted,
        posted.version,
        returned,
        invoice.hosted_url,
        invoice.pdf_url,
        month.period_start if month else None,
        month.period_end if month else None,
    )


async def invoices_of(tx: Tx, *, owner: UUID, limit: int) -> list[KnownInvoice]:
    """The latest, newest first."""
    return [KnownInvoice(**row) for row in await tx.fetch(INVOICES_OF, owner, limit)]


async def find_invoice(tx: Tx, invoice_id: str, *, owner: UUID) -> KnownInvoice | None:
    row = await tx.fetchrow(FIND_INVOICE, invoice_id, owner)
    return KnownInvoice(**row) if row else None


async def put_subscription(tx: Tx, it: Subscription, *, owner: UUID) -> str | None:
    """As Stripe has it now; returns its plan, None where no plan of ours has its price."""
    plan_id: str | None = await tx.fetchval(
        PUT_SUBSCRIPTION,
        it.id,
        owner,
        it.price,
        it.status,
        it.period_start,
        it.period_end,
        it.cancel_at_period_end,
    )
    return plan_id


async def settle_returned(tx: Tx, subscription_id: str) -> None:
    """Whether what was paid for the subscription last is still with us."""
    await tx.execute(SETTLE_RETURNED, subscription_id)


async def subscriptions_of(tx: Tx, *, owner: UUID, limit: int) -> list[KnownSubscription]:
    return [KnownSubscription(**row) for row in await tx.fetch(SUBSCRIPTIONS_OF, owner, limit)]


async def violations(tx: Tx, *, limit: int) -> list[str]:
    return [f"{row['invariant']}: {row['key']}" for row in await tx.fetch(VIOLATIONS, limit)]
