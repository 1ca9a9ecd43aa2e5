"""SQL of the price book."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from shared.db import Tx

LOCK_BOOK = "select pg_advisory_xact_lock($1)"

IN_FORCE = """
select version, effective_from, published_at, published_by, reason
from rate_cards where version = rate_card_in_force()
"""

FIND_CARD = """
select version, effective_from, published_at, published_by, reason
from rate_cards where version = $1
"""

PLANNED = """
select version, effective_from, published_at, published_by, reason
from rate_cards planned where version > rate_card_in_force() and not exists (
  select 1 from rate_cards newer
  where newer.version > planned.version and newer.effective_from <= planned.effective_from)
order by version
"""

# None when the date is in the past by the database's clock; a null date is now.
INSERT_CARD = """
insert into rate_cards(version, effective_from, published_by, reason)
select coalesce((select max(version) from rate_cards), 0) + 1, coalesce($1, now.at), $2, $3
from (select clock_timestamp() as at) now where $1::timestamptz is null or $1 > now.at
returning version, effective_from, published_at, published_by, reason
"""

INSERT_RATES = """
insert into rates(version, product, model, plan, channel, unit, price_microcredits, per_units,
  minimum_microcredits)
select $1, r.* from unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::text[],
  $7::bigint[], $8::int[], $9::bigint[]) r
"""

RATES_OF = """
select product, model, plan, channel, unit, price_microcredits, per_units, minimum_microcredits
from rates where version = $1 order by product, model, plan, channel
"""

RATE_NOW = """
select version, product, model, plan, channel, unit, price_microcredits, per_units,
  minimum_microcredits
from rate_for_v2(rate_card_in_force(), $1, $2, $3, $4)
"""

# What ended in the last $2 seconds, at what it cost and at what it would cost on card $1. Work that
# the card does not price, or prices by another unit, keeps its cost and is counted apart.
REPRICE = """
with used as (
  select 'call' as product, coalesce(c.model, '*') as model, coalesce(c.plan, '*') as plan,
    coalesce(c.channel, '*') as channel, 'minute' as unit, s.seconds::bigint as quantity, s.cost
  from call_sessions s left join call_configs c on c.call_id = s.id
  where s.state = 'closed' and s.seconds > 0
    and s.ended_at > statement_timestamp() - make_interval(secs => $2)
  union all
  select product, model, plan, channel, unit, quantity, cost from generation_charges
  where state = 'settled' and ended_at > statement_timestamp() - make_interval(secs => $2)),
repriced as (
  select u.product, u.cost, case when r.unit is distinct from u.unit then null
    when r.unit = 'minute' then call_cost(r.price_microcredits, u.quantity::int)
    else generation_cost(r.price_microcredits, r.per_units, r.minimum_microcredits, u.quantity)
    end as new_cost
  from used u left join lateral rate_for_v2($1, u.product, u.model, u.plan, u.channel) r on true)
select product, count(*) as count, sum(cost)::bigint as old_total,
  sum(coalesce(new_cost, cost))::bigint as new_total,
  count(*) filter (where new_cost is null) as not_comparable
from repriced group by product order by product
"""


@dataclass(frozen=True, slots=True)
class Card:
    """A published rate card. It counts from `effective_from` until a newer one does."""

    version: int
    effective_from: datetime
    published_at: datetime
    published_by: str
    reason: str


@dataclass(frozen=True, slots=True)
class Rate:
    """A price in micro-credits for `per_units` units. '*' stands for every model, plan, channel."""

    product: str
    model: str
    plan: str
    channel: str
    unit: str
    price_microcredits: int
    per_units: int
    minimum_microcredits: int


@dataclass(frozen=True, slots=True)
class Repriced:
    """Micro-credits of all work of one product: as billed, and as another card would bill it."""

    product: str
    count: int
    old_total: int
    new_total: int
    not_comparable: int


async def lock_book(tx: Tx, lock_id: int) -> None:
    """One publisher at a time, until the transaction ends."""
    await tx.execute(LOCK_BOOK, lock_id)


async def card_in_force(tx: Tx) -> Card | None:
    row = await tx.fetchrow(IN_FORCE)
    return Card(**row) if row else None


async def find_card(tx: Tx, version: int) -> Card | None:
    row = await tx.fetchrow(FIND_CARD, version)
    return Card(**row) if row else None


async def planned_cards(tx: Tx) -> list[Card]:
    """Published, not in force yet, and not withdrawn by a newer one."""
    return [Card(**row) for row in await tx.fetch(PLANNED)]


async def insert_card(
    tx: Tx, *, effective_from: datetime | None, published_by: str, reason: str
) -> Card | None:
    """None when `effective_from` is in the past."""
    row = await tx.fetchrow(INSERT_CARD, effective_from, published_by, reason)
    return Card(**row) if row else None


async def insert_rates(tx: Tx, *, version: int, rates: Sequence[Rate]) -> None:
    await tx.execute(
        INSERT_RATES,
        version,
        [r.product for r in rates],
        [r.model for r in rates],
        [r.plan for r in rates],
        [r.channel for r in rates],
        [r.unit for r in rates],
        [r.price_microcredits for r in rates],
        [r.per_units for r in rates],
        [r.minimum_microcredits for r in rates],
    )


async def rates_of(tx: Tx, version: int) -> list[Rate]:
    return [Rate(**row) for row in await tx.fetch(RATES_OF, version)]


async def rate_now(
    tx: Tx, *, product: str, model: str, plan: str, channel: str
) -> tuple[int, Rate] | None:
    """The rate in force and the version of its card; None when nothing fits."""
    row = await tx.fetchrow(RATE_NOW, product, model, plan, channel)
    if row is None:
        return None
    values = dict(row)
    return values.pop("version"), Rate(**values)


async def reprice(tx: Tx, *, version: int, last_s: int) -> list[Repriced]:
    """One row a product that was used in the last `last_s` seconds."""
    return [Repriced(**row) for row in await tx.fetch(REPRICE, version, last_s)]
