"""SQL of top-ups that happen by themselves: who wants them, who is low, what was not settled."""

from dataclasses import dataclass
from uuid import UUID

from billing.store.topups import Topup
from shared.db import Tx

RULE = """
select user_id, is_on, threshold, amount, currency, month_amount_max, state, failure
from auto_topups where user_id = $1
"""

LOCK_RULE = """
select user_id, is_on, threshold, amount, currency, month_amount_max, state, failure
from auto_topups where user_id = $1 for no key update
"""

# Whoever says anew what they want has acted: it may be tried again.
PUT_RULE = """
insert into auto_topups(user_id, is_on, threshold, amount, currency, month_amount_max)
values ($1, $2, $3, $4, $5, $6)
on conflict (user_id) do update set is_on = $2, threshold = $3, amount = $4, currency = $5,
  month_amount_max = $6, state = 'ready', failure = null, updated_at = clock_timestamp()
"""

NEEDS_ACTION = """
update auto_topups set state = 'needs_action', failure = $2, updated_at = clock_timestamp()
where user_id = $1
"""

READY = """
update auto_topups set state = 'ready', failure = null, updated_at = clock_timestamp()
where user_id = $1 and state = 'needs_action'
"""

LOW = """
select a.user_id from auto_topups a join credits c on c.user_id = a.user_id
where a.is_on and a.state = 'ready' and c.balance - c.reserved < a.threshold
  and not exists (select from topups t where t.user_id = a.user_id and t.kind = 'auto'
    and t.state in ('intended', 'open', 'processing'))
  and a.amount <= a.month_amount_max - coalesce((
    select sum(t.amount)::bigint from topups t where t.user_id = a.user_id and t.kind = 'auto'
      and t.currency = a.currency and t.state not in ('failed', 'expired')
      and t.created_at >= date_trunc('month', clock_timestamp(), 'UTC')), 0)
order by a.user_id limit $1
"""

# What is not known to have failed counts.
SPENT = """
select coalesce(sum(amount), 0)::bigint from topups
where user_id = $1 and kind = 'auto' and currency = $2 and state not in ('failed', 'expired')
  and created_at >= date_trunc('month', clock_timestamp(), 'UTC')
"""

UNSETTLED = """
update topups set attempts = attempts + 1, due_at = clock_timestamp()
  + make_interval(secs => least($2 * power(2, least(attempts, 16)), $3))
where id in (
  select id from topups where kind = 'auto' and state in ('intended', 'open', 'processing')
    and due_at <= clock_timestamp()
  order by due_at limit $1 for update skip locked)
returning id, user_id, kind, package_id, amount, currency, credits, save_card, state, checkout_id,
  payment_intent, failure, attempts, created_at
"""

CALL = """
select c.room_name, c.language from call_sessions s join call_configs c on c.call_id = s.id
where s.user_id = $1 and s.state in ('authorized', 'active') order by s.authorized_at desc limit 1
"""


@dataclass(frozen=True, slots=True)
class Rule:
    """Threshold in micro-credits, amounts in the currency's smallest unit."""

    user_id: UUID
    is_on: bool
    threshold: int
    amount: int
    currency: str
    month_amount_max: int
    state: str
    failure: str | None


@dataclass(frozen=True, slots=True)
class RunningCall:
    room_name: str
    language: str


async def rule_of(tx: Tx, owner: UUID) -> Rule | None:
    row = await tx.fetchrow(RULE, owner)
    return Rule(**row) if row else None


async def lock_rule(tx: Tx, owner: UUID) -> Rule | None:
    row = await tx.fetchrow(LOCK_RULE, owner)
    return Rule(**row) if row else None


async def put_rule(
    tx: Tx,
    *,
    owner: UUID,
    is_on: bool,
    threshold: int,
    amount: int,
    currency: str,
    month_amount_max: int,
) -> None:
    await tx.execute(PUT_RULE, owner, is_on, threshold, amount, currency, month_amount_max)


async def needs_action(tx: Tx, owner: UUID, *, failure: str) -> None:
    """Nothing more is tried until the person does something."""
    await tx.execute(NEEDS_ACTION, owner, failure)


async def ready(tx: Tx, owner: UUID) -> None:
    await tx.execute(READY, owner)


async def low(tx: Tx, *, limit: int) -> list[UUID]:
    """Accounts that are low, may be topped up, and have no payment under way."""
    return [row["user_id"] for row in await tx.fetch(LOW, limit)]


async def spent_this_month(tx: Tx, owner: UUID, currency: str) -> int:
    """In the currency's smallest unit, of automatic payments since the month began in UTC."""
    spent: int = await tx.fetchval(SPENT, owner, currency)
    return spent


async def take_unsettled(tx: Tx, *, limit: int, pause_s: float, pause_s_max: float) -> list[Topup]:
    """Payments whose end nobody wrote down; each is due again after a growing pause."""
    rows = await tx.fetch(UNSETTLED, limit, pause_s, pause_s_max)
    return [Topup(**row) for row in rows]


async def call_of(tx: Tx, owner: UUID) -> RunningCall | None:
    """Where the account's latest call is going on, and in which language."""
    row = await tx.fetchrow(CALL, owner)
    return RunningCall(**row) if row else None
