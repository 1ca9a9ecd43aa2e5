"""SQL of monthly plans and of the prices at Stripe that ever stood for them."""

from collections.abc import Collection
from dataclasses import dataclass
from uuid import UUID

from shared.db import Tx

ALL = """
select id, name, rank, stripe_price, currency, amount, credits, first_month_coupon,
  first_month_percent_off, rollover_months, rollover_credits, custom_characters, scenes,
  longer_texts, api_keys, concurrent_calls
from plans order by rank
"""

LOCK = """
select id, name, rank, stripe_price, currency, amount, credits, first_month_coupon,
  first_month_percent_off, rollover_months, rollover_credits, custom_characters, scenes,
  longer_texts, api_keys, concurrent_calls
from plans where id = $1 for no key update
"""

PUT = """
insert into plans(id, name, rank, stripe_price, currency, amount, credits, first_month_coupon,
  first_month_percent_off, rollover_months, rollover_credits, custom_characters, scenes,
  longer_texts, api_keys, concurrent_calls)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)
on conflict (id) do update set name = excluded.name, rank = excluded.rank,
  stripe_price = excluded.stripe_price, currency = excluded.currency, amount = excluded.amount,
  credits = excluded.credits, first_month_coupon = excluded.first_month_coupon,
  first_month_percent_off = excluded.first_month_percent_off,
  rollover_months = excluded.rollover_months, rollover_credits = excluded.rollover_credits,
  custom_characters = excluded.custom_characters,
  scenes = excluded.scenes, longer_texts = excluded.longer_texts, api_keys = excluded.api_keys,
  concurrent_calls = excluded.concurrent_calls
"""

PROMISE = """
insert into plan_prices(stripe_price, plan_id, currency, amount, credits, rollover_months,
  rollover_credits)
values ($1, $2, $3, $4, $5, $6, $7) on conflict (stripe_price) do nothing
"""

PRICES = """
select stripe_price, plan_id, currency, amount, credits, rollover_months, rollover_credits
from plan_prices where stripe_price = any($1::text[])
"""

OF_ACCOUNT = """
select id, name, rank, stripe_price, currency, amount, credits, first_month_coupon,
  first_month_percent_off, rollover_months, rollover_credits, custom_characters, scenes,
  longer_texts, api_keys, concurrent_calls
from account_plan_v1($1)
"""

KEEPS_MEMORIES = "select memories from account_plan_v1($1)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """
    What an account may do, and for a plan that is sold what it costs and gives a month.

    `amount` is in the currency's smallest unit, `credits` in micro-credits. What is granted expires
    `rollover_months` after its period; None: never. At a renewal up to `rollover_credits` (micro)
    of what would end are kept for the new period; None: nothing. Without `stripe_price` it is not
    for sale.
    """

    id: str
    name: str
    rank: int
    stripe_price: str | None
    currency: str | None
    amount: int | None
    credits: int | None
    first_month_coupon: str | None
    first_month_percent_off: int | None
    rollover_months: int | None
    rollover_credits: int | None
    custom_characters: int
    scenes: bool
    longer_texts: bool
    api_keys: int
    concurrent_calls: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanPrice:
    """What a price of Stripe's promises for one month at its full amount; never changed."""

    stripe_price: str
    plan_id: str
    currency: str
    amount: int
    credits: int
    rollover_months: int | None
    rollover_credits: int | None = None


async def all_plans(tx: Tx) -> list[Plan]:
    """By rank, the plans that everybody has first."""
    return [Plan(**row) for row in await tx.fetch(ALL)]


async def lock(tx: Tx, plan_id: str) -> Plan | None:
    row = await tx.fetchrow(LOCK, plan_id)
    return Plan(**row) if row else None


async def put(tx: Tx, plan: Plan) -> None:
    """Insert or replace."""
    await tx.execute(
        PUT,
        plan.id,
        plan.name,
        plan.rank,
        plan.stripe_price,
        plan.currency,
        plan.amount,
        plan.credits,
        plan.first_month_coupon,
        plan.first_month_percent_off,
        plan.rollover_months,
        plan.rollover_credits,
        plan.custom_characters,
        plan.scenes,
        plan.longer_texts,
        plan.api_keys,
        plan.concurrent_calls,
    )


async def promise(tx: Tx, price: PlanPrice) -> None:
    """Does nothing when something is promised for this price already."""
    await tx.execute(
        PROMISE,
        price.stripe_price,
        price.plan_id,
        price.currency,
        price.amount,
        price.credits,
        price.rollover_months,
        price.rollover_credits,
    )


async def prices(tx: Tx, stripe_prices: Collection[str]) -> dict[str, PlanPrice]:
    """Those that are known, by Stripe's id."""
    rows = await tx.fetch(PRICES, list(stripe_prices))
    return {row["stripe_price"]: PlanPrice(**row) for row in rows}


async def plan_of(tx: Tx, user_id: UUID) -> Plan | None:
    """The best plan the account has; None for an account that is gone."""
    row = await tx.fetchrow(OF_ACCOUNT, user_id)
    return Plan(**row) if row else None


async def keeps_memories(tx: Tx, user_id: UUID) -> bool:
    """False for an account that is gone, too."""
    return bool(await tx.fetchval(KEEPS_MEMORIES, user_id))
