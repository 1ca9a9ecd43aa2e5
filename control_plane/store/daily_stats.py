"""SQL of what one day brought: money, use, what the providers took for it, and what failed."""

from dataclasses import dataclass
from datetime import date, datetime

from shared.db import Tx

# Each use at the prices of its moment. A model without a price, or a price by a quantity that was
# not recorded, makes the cost of that use unknown, not nothing.
USES = """
with uses as (
  select 'call' as product, split_part(c.model, ':', 1) as model, s.ended_at as at, s.cost,
    s.seconds::bigint as second, null::bigint as character, null::bigint as token_in,
    null::bigint as token_out
  from call_sessions s join call_configs c on c.call_id = s.id
  where s.state = 'closed' and s.seconds > 0 and s.ended_at >= $1 and s.ended_at < $2
  union all
  select case when u.source_type like '%voice_cloning' then 'clone' else 'speech' end,
    split_part(u.model, ':', 1), u.occurred_at, u.cost, (u.duration_ms + 999) / 1000,
    u.input_chars, (f.usage->>'promptTokens')::bigint, (f.usage->>'outputTokens')::bigint
  from generation_usage u left join audio_files f on f.charge_id = u.charge_id
  where u.occurred_at >= $1 and u.occurred_at < $2)
select u.product, u.model, count(*)::int as uses, sum(u.cost)::bigint as microcredits,
  sum(u.second)::bigint as seconds, coalesce(ceil(sum(paid.microdollars)), 0)::bigint
    as microdollars, (count(*) filter (where paid.microdollars is null))::int as unknown_uses
from uses u left join lateral (
  select case when count(*) > 0 and count(*) = count(priced.quantity)
    then sum(priced.quantity::numeric * priced.microdollars / priced.per_units) end as microdollars
  from (
    select distinct on (p.basis) p.microdollars, p.per_units, case p.basis
      when 'second' then u.second when 'character' then u.character when 'operation' then 1
      when 'token_in' then u.token_in else u.token_out end as quantity
    from provider_costs p
    where p.product = u.product and p.model = u.model and p.effective_from <= u.at
    order by p.basis, p.effective_from desc, p.id desc) priced) paid on true
group by u.product, u.model order by u.product, u.model
"""

# By the day of the charge; what was given back since is known of the charge, not of its day.
MONEY = """
select currency, count(*)::int as payments, sum(amount)::bigint as gross,
  sum(least(amount, refunded + case when dispute_status in ('won', 'warning_closed') then 0
    else disputed end))::bigint as given_back
from payments where paid and charged_at >= $1 and charged_at < $2
group by currency order by currency
"""

COUNTS = """
select
  (select count(*)::int from profiles where created_at >= $1 and created_at < $2) as new_accounts,
  (select count(*)::int from call_sessions
    where ended_at >= $1 and ended_at < $2 and end_reason = any($3::text[])) as failed_calls,
  (select count(*)::int from generation_charges
    where state = 'released' and ended_at >= $1 and ended_at < $2
      and end_reason = any($4::text[])) as failed_generations,
  (select count(*)::int from topups
    where state = 'failed' and updated_at >= $1 and updated_at < $2) as failed_payments
"""

CLAIM_REPORT = """
insert into daily_reports(day, attempts, due_at)
values ($1, 1, clock_timestamp() + make_interval(secs => $2))
on conflict (day) do update set attempts = daily_reports.attempts + 1, due_at = excluded.due_at
  where daily_reports.sent_at is null and daily_reports.due_at <= clock_timestamp()
    and daily_reports.attempts < $3
returning attempts
"""

REPORT_SENT = "update daily_reports set sent_at = clock_timestamp() where day = $1"

INSERT_COST = """
insert into provider_costs(product, model, basis, microdollars, per_units, effective_from, actor)
values ($1, $2, $3, $4, $5, clock_timestamp(), $6)
"""

COSTS = """
select distinct on (product, model, basis) product, model, basis, microdollars, per_units,
  effective_from, actor
from provider_costs where effective_from <= clock_timestamp()
order by product, model, basis, effective_from desc, id desc
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelUse:
    """`microdollars`: what is known of the cost; `unknown_uses` cost something else besides."""

    product: str
    model: str
    uses: int
    microcredits: int
    seconds: int
    microdollars: int
    unknown_uses: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Money:
    """In the currency's smallest unit."""

    currency: str
    payments: int
    gross: int
    given_back: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    new_accounts: int
    failed_calls: int
    failed_generations: int
    failed_payments: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderCost:
    product: str
    model: str
    basis: str
    microdollars: int
    per_units: int
    effective_from: datetime
    actor: str


async def uses(tx: Tx, since: datetime, before: datetime) -> list[ModelUse]:
    return [ModelUse(**row) for row in await tx.fetch(USES, since, before)]


async def money(tx: Tx, since: datetime, before: datetime) -> list[Money]:
    return [Money(**row) for row in await tx.fetch(MONEY, since, before)]


async def counts(
    tx: Tx,
    since: datetime,
    before: datetime,
    *,
    call_failures: list[str],
    generation_failures: list[str],
) -> Counts:
    row = await tx.fetchrow(COUNTS, since, before, call_failures, generation_failures)
    assert row is not None, "counts always answer"
    return Counts(**row)


async def claim_report(tx: Tx, day: date, *, lease_s: float, attempts_max: int) -> bool:
    """Whether the caller is to send the report of `day` now."""
    return await tx.fetchval(CLAIM_REPORT, day, lease_s, attempts_max) is not None


async def report_sent(tx: Tx, day: date) -> None:
    await tx.execute(REPORT_SENT, day)


async def costs(tx: Tx) -> list[ProviderCost]:
    """What counts now."""
    return [ProviderCost(**row) for row in await tx.fetch(COSTS)]


async def insert_cost(
    tx: Tx,
    *,
    product: str,
    model: str,
    basis: str,
    microdollars: int,
    per_units: int,
    actor: str,
) -> None:
    """From now on."""
    await tx.execute(INSERT_COST, product, model, basis, microdollars, per_units, actor)
