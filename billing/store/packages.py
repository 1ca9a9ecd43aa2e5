"""SQL of what is sold: packages, their prices, promotions, and rates for free amounts."""

from dataclasses import dataclass
from datetime import datetime

from shared.db import Tx

OFFERS = """
select p.id, p.name, p.credits, p.sort_order, r.currency, r.amount, m.id as promotion_id,
  m.name as promotion, coalesce(m.bonus, 0) as bonus, m.ends_at as promotion_ends_at
from credit_packages p
join package_prices r on r.package_id = p.id
left join lateral (
  select id, name, bonus, ends_at from package_promotions
  where package_id = p.id and starts_at <= clock_timestamp() and ends_at > clock_timestamp()
  order by bonus desc, id limit 1) m on true
where p.is_offered order by p.sort_order, p.id, r.currency
"""

RATES = """
select currency, credits_per_unit, amount_min, amount_max from topup_rates order by currency
"""

SET_PACKAGE = """
insert into credit_packages(id, name, credits, sort_order, is_offered) values ($1, $2, $3, $4, true)
on conflict (id) do update set name = $2, credits = $3, sort_order = $4, is_offered = true
"""

SET_PRICE = """
insert into package_prices(package_id, currency, amount) values ($1, $2, $3)
on conflict (package_id, currency) do update set amount = $3
"""

WITHDRAW = "update credit_packages set is_offered = false where id = $1 and is_offered returning id"

PROMOTE = """
insert into package_promotions(name, package_id, bonus, starts_at, ends_at)
values ($1, $2, $3, $4, $5)
"""

SET_RATE = """
insert into topup_rates(currency, credits_per_unit, amount_min, amount_max) values ($1, $2, $3, $4)
on conflict (currency) do update set credits_per_unit = $2, amount_min = $3, amount_max = $4
"""


@dataclass(frozen=True, slots=True)
class Offer:
    """One package in one currency, at this moment. Credits and bonus are micro-credits."""

    id: str
    name: str
    credits: int
    sort_order: int
    currency: str
    amount: int
    promotion_id: int | None
    promotion: str | None
    bonus: int
    promotion_ends_at: datetime | None

    @property
    def granted(self) -> int:
        return self.credits + self.bonus


@dataclass(frozen=True, slots=True)
class Rate:
    """Micro-credits for one smallest unit of the currency, and the amounts that may be chosen."""

    currency: str
    credits_per_unit: int
    amount_min: int
    amount_max: int


async def offers(tx: Tx) -> list[Offer]:
    """All that is offered now; the best promotion of each package counts, they do not add up."""
    return [Offer(**row) for row in await tx.fetch(OFFERS)]


async def rates(tx: Tx) -> list[Rate]:
    return [Rate(**row) for row in await tx.fetch(RATES)]


async def set_package(
    tx: Tx, *, package_id: str, name: str, credits_: int, sort_order: int
) -> None:
    await tx.execute(SET_PACKAGE, package_id, name, credits_, sort_order)


async def set_price(tx: Tx, *, package_id: str, currency: str, amount: int) -> None:
    await tx.execute(SET_PRICE, package_id, currency, amount)


async def withdraw(tx: Tx, package_id: str) -> bool:
    """False when it was not offered."""
    return await tx.fetchval(WITHDRAW, package_id) is not None


async def promote(
    tx: Tx, *, name: str, package_id: str, bonus: int, starts_at: datetime, ends_at: datetime
) -> None:
    await tx.execute(PROMOTE, name, package_id, bonus, starts_at, ends_at)


async def set_rate(
    tx: Tx, *, currency: str, credits_per_unit: int, amount_min: int, amount_max: int
) -> None:
    await tx.execute(SET_RATE, currency, credits_per_unit, amount_min, amount_max)
