"""SQL of payments: one row for each charge of Stripe's that was for us."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from shared.db import Tx

LOCK = """
select charge_id, user_id, kind, payment_intent, invoice_id, topup_id, amount, currency, credits,
  posted, posted_grant, posted_refund, posted_dispute, version, paid, refunded, disputed,
  dispute_status, receipt_url, charged_at, synced_at
from payments where charge_id = $1 for no key update
"""

OF_OWNER = """
select charge_id, user_id, kind, payment_intent, invoice_id, topup_id, amount, currency, credits,
  posted, posted_grant, posted_refund, posted_dispute, version, paid, refunded, disputed,
  dispute_status, receipt_url, charged_at, synced_at
from payments where user_id = $1 order by charged_at desc, charge_id limit $2
"""

FIND = """
select charge_id, user_id, kind, payment_intent, invoice_id, topup_id, amount, currency, credits,
  posted, posted_grant, posted_refund, posted_dispute, version, paid, refunded, disputed,
  dispute_status, receipt_url, charged_at, synced_at
from payments where charge_id = $1
"""

INSERT = """
insert into payments(charge_id, user_id, kind, payment_intent, invoice_id, topup_id, amount,
  currency, credits, charged_at)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
on conflict (charge_id) do nothing
"""

UPDATE = """
update payments set credits = $2, posted = $3::bigint - $4 - $5, posted_grant = $3,
  posted_refund = $4, posted_dispute = $5, version = $6, amount = $7, paid = $8, refunded = $9,
  disputed = $10, dispute_status = $11, receipt_url = $12,
  invoice_id = coalesce(invoice_id, $13), topup_id = coalesce(topup_id, $14),
  synced_at = clock_timestamp()
where charge_id = $1
"""

# Credit that was bought otherwise counts too: an operator's top-up has no charge.
SETTLE_PAID = """
update credits set paid = exists(select from payments where user_id = $1 and posted > 0)
  or exists(select from credit_transactions where user_id = $1
    and kind in ('topup', 'subscription_grant') and source <> 'stripe')
where user_id = $1
"""

VIOLATIONS = "select invariant, key from payment_violations order by key limit $1"


@dataclass(frozen=True, slots=True)
class Payment:
    """Amounts in the currency's smallest unit, credits and what is posted in micro-credits."""

    charge_id: str
    user_id: UUID
    kind: str
    payment_intent: str | None
    invoice_id: str | None
    topup_id: UUID | None
    amount: int
    currency: str
    credits: int
    posted: int
    posted_grant: int
    posted_refund: int
    posted_dispute: int
    version: int
    paid: bool
    refunded: int
    disputed: int
    dispute_status: str | None
    receipt_url: str | None
    charged_at: datetime
    synced_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentState:
    """What is written of a charge that was fetched again."""

    credits: int
    posted_grant: int
    posted_refund: int
    posted_dispute: int
    version: int
    amount: int
    paid: bool
    refunded: int
    disputed: int
    dispute_status: str | None
    receipt_url: str | None
    invoice_id: str | None
    topup_id: UUID | None


async def lock(tx: Tx, charge_id: str) -> Payment | None:
    row = await tx.fetchrow(LOCK, charge_id)
    return Payment(**row) if row else None


async def find(tx: Tx, charge_id: str) -> Payment | None:
    """For the operator: whoever it belongs to."""
    row = await tx.fetchrow(FIND, charge_id)
    return Payment(**row) if row else None


async def of_owner(tx: Tx, *, owner: UUID, limit: int) -> list[Payment]:
    """The latest payments, newest first."""
    return [Payment(**row) for row in await tx.fetch(OF_OWNER, owner, limit)]


async def insert(
    tx: Tx,
    *,
    charge_id: str,
    user_id: UUID,
    kind: str,
    payment_intent: str | None,
    invoice_id: str | None,
    topup_id: UUID | None,
    amount: int,
    currency: str,
    credits_: int,
    charged_at: datetime,
) -> None:
    """Does nothing when it is there."""
    await tx.execute(
        INSERT,
        charge_id,
        user_id,
        kind,
        payment_intent,
        invoice_id,
        topup_id,
        amount,
        currency,
        credits_,
        charged_at,
    )


async def update(tx: Tx, charge_id: str, state: PaymentState) -> None:
    await tx.execute(
        UPDATE,
        charge_id,
        state.credits,
        state.posted_grant,
        state.posted_refund,
        state.posted_dispute,
        state.version,
        state.amount,
        state.paid,
        state.refunded,
        state.disputed,
        state.dispute_status,
        state.receipt_url,
        state.invoice_id,
        state.topup_id,
    )


async def settle_paid(tx: Tx, user_id: UUID) -> None:
    """Whether the account counts as a paying one: as long as somebody's money is with us."""
    await tx.execute(SETTLE_PAID, user_id)


async def violations(tx: Tx, *, limit: int) -> list[str]:
    return [f"{row['invariant']}: {row['key']}" for row in await tx.fetch(VIOLATIONS, limit)]
