"""
What is sold, edited by an operator.

    python -m billing.packages show
    python -m billing.packages set ID --name NAME --credits N [--order N]
    python -m billing.packages price ID CURRENCY AMOUNT
    python -m billing.packages withdraw ID
    python -m billing.packages promote ID --name NAME --bonus N --from ISO --to ISO
    python -m billing.packages rate CURRENCY --credits N --per AMOUNT --min AMOUNT --max AMOUNT

Amounts are in the currency's smallest unit: 500 usd are 5 dollars, 500 jpy are 500 yen. `rate`
sells amounts of one's own choice: N credits for AMOUNT, rounded down to a micro-credit a unit.
Payment pages that are open keep the credits they promised. Exit 0, or 1 when it was refused.
"""

import argparse
import asyncio
import sys
from datetime import UTC, datetime

import asyncpg

from billing.money import floor_div, from_credits, to_credits
from billing.store import packages as store
from shared.db import Tx, open_pool, transaction
from shared.settings import PostgresSettings


class PackageRefused(Exception):
    """The message says what is wrong."""


async def show(tx: Tx) -> str:
    """All offers of this moment, one a line."""
    lines = [_offer_line(offer) for offer in await store.offers(tx)]
    lines += [
        f"{'any amount':12} {rate.amount_min:>8} to {rate.amount_max} {rate.currency}  "
        f"{to_credits(rate.credits_per_unit):,} credits a unit"
        for rate in await store.rates(tx)
    ]
    return "\n".join(lines)


def _offer_line(offer: store.Offer) -> str:
    line = (
        f"{offer.id:12} {offer.amount:>8} {offer.currency}  "
        f"{to_credits(offer.granted):>10,} credits"
    )
    if offer.promotion_ends_at:
        line += f"  ({offer.promotion} until {offer.promotion_ends_at:%Y-%m-%d %H:%M})"
    return line


async def change(tx: Tx, wanted: argparse.Namespace) -> None:
    """Raises PackageRefused, and what the table's own checks refuse."""
    if wanted.command == "set":
        await store.set_package(
            tx,
            package_id=wanted.id,
            name=wanted.name,
            credits_=from_credits(wanted.credits),
            sort_order=wanted.order,
        )
    elif wanted.command == "price":
        await store.set_price(
            tx, package_id=wanted.id, currency=wanted.currency, amount=wanted.amount
        )
    elif wanted.command == "withdraw":
        if not await store.withdraw(tx, wanted.id):
            raise PackageRefused(f"{wanted.id} is not offered")
    elif wanted.command == "promote":
        await store.promote(
            tx,
            name=wanted.name,
            package_id=wanted.id,
            bonus=from_credits(wanted.bonus),
            starts_at=wanted.start,
            ends_at=wanted.end,
        )
    elif wanted.command == "rate":
        await store.set_rate(
            tx,
            currency=wanted.currency,
            credits_per_unit=floor_div(from_credits(wanted.credits), wanted.per),
            amount_min=wanted.min,
            amount_max=wanted.max,
        )


def parse(arguments: list[str]) -> argparse.Namespace:
    """Exits with a word about what is wrong."""
    parser = argparse.ArgumentParser(prog="python -m billing.packages")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("show")
    a_package = commands.add_parser("set")
    a_package.add_argument("id")
    a_package.add_argument("--name", required=True)
    a_package.add_argument("--credits", type=_positive, required=True)
    a_package.add_argument("--order", type=int, default=0)
    price = commands.add_parser("price")
    price.add_argument("id")
    price.add_argument("currency")
    price.add_argument("amount", type=_positive)
    commands.add_parser("withdraw").add_argument("id")
    promotion = commands.add_parser("promote")
    promotion.add_argument("id")
    promotion.add_argument("--name", required=True)
    promotion.add_argument("--bonus", type=_positive, required=True)
    promotion.add_argument("--from", dest="start", type=_moment, required=True)
    promotion.add_argument("--to", dest="end", type=_moment, required=True)
    rate = commands.add_parser("rate")
    rate.add_argument("currency")
    for name in ("credits", "per", "min", "max"):
        rate.add_argument(f"--{name}", type=_positive, required=True)
    return parser.parse_args(arguments)


def _positive(text: str) -> int:
    number = int(text)
    if number <= 0:
        raise ValueError
    return number


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


async def _run(wanted: argparse.Namespace) -> str:
    pool = await open_pool(PostgresSettings(), application_name="packages")
    try:
        async with transaction(pool) as tx:
            await change(tx, wanted)
            return await show(tx)
    finally:
        await pool.close()


def main(arguments: list[str]) -> int:
    wanted = parse(arguments)
    try:
        print(asyncio.run(_run(wanted)))
    except PackageRefused as refused:
        print(refused, file=sys.stderr)
        return 1
    except asyncpg.IntegrityConstraintViolationError as refused:
        print(f"refused: {refused.constraint_name}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
