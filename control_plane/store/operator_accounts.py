"""SQL of an account as the staff sees it. The account is always named by who asks."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from shared.db import Tx

_FACTS = """
select p.id, p.email, p.mail_address, p.created_at, p.frozen_at, k.balance, k.reserved, k.debt,
  k.paid, (select count(*)::int from call_sessions s
    where s.user_id = p.id and s.state in ('authorized', 'active')) as open_calls
from profiles p join credits k on k.user_id = p.id
"""

FIND = f"{_FACTS} where p.id = $1"

# A displayed address proves nothing: whoever finds an account by it must ask for more.
FIND_BY_EMAIL = f"""
{_FACTS} where lower(p.mail_address) = lower($1) or lower(p.email) = lower($1)
order by p.created_at, p.id limit $2
"""

COUNT_LEDGER = "select count(*) from credit_transactions where user_id = $1"

LEDGER = """
select id, kind, amount, call_id, charge_id, source, source_id, reason, actor, created_at
from credit_transactions where user_id = $1 order by id desc limit $2 offset $3
"""

COUNT_PAYMENTS = "select count(*) from payments where user_id = $1"

PAYMENTS = """
select charge_id, kind, invoice_id, amount, currency, paid, refunded, disputed, dispute_status,
  credits, posted, charged_at
from payments where user_id = $1 order by charged_at desc, charge_id limit $2 offset $3
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountFacts:
    """Money in micro-credits. `mail_address` is verified, `email` is not."""

    id: UUID
    email: str | None
    mail_address: str | None
    created_at: datetime
    frozen_at: datetime | None
    balance: int
    reserved: int
    debt: int
    paid: bool
    open_calls: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerRow:
    """`amount` in micro-credits, signed."""

    id: int
    kind: str
    amount: int
    call_id: UUID | None
    charge_id: UUID | None
    source: str
    source_id: str
    reason: str | None
    actor: str | None
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentRow:
    """Amounts in the currency's smallest unit; `credits` and `posted` in micro-credits."""

    charge_id: str
    kind: str
    invoice_id: str | None
    amount: int
    currency: str
    paid: bool
    refunded: int
    disputed: int
    dispute_status: str | None
    credits: int
    posted: int
    charged_at: datetime


async def find(tx: Tx, user_id: UUID) -> AccountFacts | None:
    row = await tx.fetchrow(FIND, user_id)
    return AccountFacts(**row) if row else None


async def find_by_email(tx: Tx, email: str, *, limit: int) -> list[AccountFacts]:
    return [AccountFacts(**row) for row in await tx.fetch(FIND_BY_EMAIL, email, limit)]


async def count_ledger(tx: Tx, owner: UUID) -> int:
    found: int = await tx.fetchval(COUNT_LEDGER, owner)
    return found


async def ledger_of(tx: Tx, *, owner: UUID, limit: int, offset: int) -> list[LedgerRow]:
    """Newest first."""
    return [LedgerRow(**row) for row in await tx.fetch(LEDGER, owner, limit, offset)]


async def count_payments(tx: Tx, owner: UUID) -> int:
    found: int = await tx.fetchval(COUNT_PAYMENTS, owner)
    return found


async def payments_of(tx: Tx, *, owner: UUID, limit: int, offset: int) -> list[PaymentRow]:
    """Newest first."""
    return [PaymentRow(**row) for row in await tx.fetch(PAYMENTS, owner, limit, offset)]
