"""
Read and publish price lists.

    python -m billing.prices show [--card N]        the card in force, or card N, as a file
    python -m billing.prices publish FILE --by NAME --reason TEXT [--from ISO] [--dry-run]

`publish` prints what changes against the card in force, and what the work of the last 24 hours
would have cost. With --dry-run it stops there. Exit 0 when done, 1 when refused, with the reasons.
"""

import argparse
import asyncio
import sys
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Final

import asyncpg

from billing import price_book
from billing.price_book import CardRefused
from billing.price_file import format_card, parse_card
from billing.price_words import credits_in_words, price_in_words, rate_name
from billing.store import prices
from billing.store.prices import Card, Rate, Repriced
from shared.db import CONNECT_TIMEOUT_S, Tx
from shared.settings import PostgresSettings

COMPARED_S: Final = 24 * 3600  # "yesterday": the last day that is complete at any hour
COMPARE_TIMEOUT_S: Final = 300.0  # a day of a large installation is a scan of all its calls


async def show(tx: Tx, version: int | None) -> str:
    """A card as a file that can be edited and published. Raises CardRefused for an unknown one."""
    if version is None:
        version = (await price_book.card_in_force(tx))[0].version
    card = await prices.find_card(tx, version)
    if card is None:
        raise CardRefused([f"there is no rate card {version}"])
    heading = [
        f"# rate card {card.version}, from {card.effective_from.isoformat()}",
        *(f"# published by {card.published_by}: {line}" for line in card.reason.splitlines()),
        *(
            f"# rate card {planned.version} follows on {planned.effective_from.isoformat()}"
            for planned in await prices.planned_cards(tx)
        ),
    ]
    return "\n".join([*heading, "", format_card(await prices.rates_of(tx, card.version))])


async def publish(
    connection: Tx,
    rates: Sequence[Rate],
    *,
    effective_from: datetime | None,
    published_by: str,
    reason: str,
    dry_run: bool,
) -> str:
    """
    Publish a card and report what it changes; a dry run is the same, taken back.

    Raises CardRefused; nothing is published then.
    """
    transaction = connection.transaction()
    await transaction.start()
    try:
        old, old_rates = await price_book.card_in_force(connection)
        planned = await prices.planned_cards(connection)
        card = await price_book.publish(
            connection,
            rates,
            effective_from=effective_from,
            published_by=published_by,
            reason=reason,
        )
        repriced = await prices.reprice(connection, version=card.version, last_s=COMPARED_S)
    except BaseException:
        await transaction.rollback()
        raise
    await (transaction.rollback() if dry_run else transaction.commit())
    heading = f"rate card {card.version}, from {card.effective_from.isoformat()}"
    lines = [
        f"{heading}, against card {old.version}:",
        *_differences(old_rates, rates),
        *_withdrawals(planned, card),
        "",
        *_comparison(repriced),
        "",
        "nothing was published" if dry_run else f"published rate card {card.version}",
    ]
    return "\n".join(lines)


def _differences(old_rates: Sequence[Rate], new_rates: Sequence[Rate]) -> Iterator[str]:
    old = {rate_name(rate): rate for rate in old_rates}
    new = {rate_name(rate): rate for rate in new_rates}
    if old == new:
        yield "  the same prices"
    for name in sorted(old | new):
        was, becomes = old.get(name), new.get(name)
        if was is None and becomes is not None:
            yield f"  + {name}: {price_in_words(becomes)}"
        elif was is not None and becomes is None:
            yield f"  - {name}: {price_in_words(was)}"
        elif was and becomes and was != becomes:
            yield f"  ~ {name}: {price_in_words(was)} -> {price_in_words(becomes)}"


def _withdrawals(planned: Sequence[Card], card: Card) -> Iterator[str]:
    for other in planned:
        if other.effective_from >= card.effective_from:
            when = other.effective_from.isoformat()
            yield f"  rate card {other.version}, planned for {when}, will not come into force"


def _comparison(repriced: Sequence[Repriced]) -> Iterator[str]:
    yield "the last 24 hours at these prices:"
    if not repriced:
        yield "  nothing was used"
    for product in repriced:
        difference = product.new_total - product.old_total
        yield (
            f"  {product.count:,} x {product.product}: was {credits_in_words(product.old_total)}, "
            f"would be {credits_in_words(product.new_total)}, "
            f"difference {credits_in_words(difference)}"
        )
        if product.not_comparable:
            yield (
                f"    {product.not_comparable:,} of them have no price in the same unit; "
                "they are counted as they were"
            )


async def _run(arguments: argparse.Namespace) -> str:
    dsn = PostgresSettings().database_url.get_secret_value()
    rates = parse_card(arguments.file.read_text()) if arguments.command == "publish" else []
    connection = await asyncpg.connect(
        dsn, timeout=CONNECT_TIMEOUT_S, command_timeout=COMPARE_TIMEOUT_S
    )
    try:
        if arguments.command == "show":
            return await show(connection, arguments.card)
        return await publish(
            connection,
            rates,
            effective_from=arguments.effective_from,
            published_by=arguments.by or ("dry run" if arguments.dry_run else ""),
            reason=arguments.reason or ("dry run" if arguments.dry_run else ""),
            dry_run=arguments.dry_run,
        )
    finally:
        await connection.close()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m billing.prices")
    commands = parser.add_subparsers(dest="command", required=True)
    show_command = commands.add_parser("show", help="print a rate card")
    show_command.add_argument("--card", type=int, metavar="N", help="not the one in force, but N")
    publish_command = commands.add_parser("publish", help="publish a rate card")
    publish_command.add_argument("file", type=Path)
    publish_command.add_argument(
        "--from",
        dest="effective_from",
        type=datetime.fromisoformat,
        metavar="ISO",
        help="when it comes into force, with offset; now when left out",
    )
    publish_command.add_argument("--by", metavar="NAME", help="who publishes it")
    publish_command.add_argument("--reason", metavar="TEXT", help="why")
    publish_command.add_argument("--dry-run", action="store_true", help="change nothing")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    arguments = _parser().parse_args(argv)
    try:
        print(asyncio.run(_run(arguments)))
    except CardRefused as refused:
        print("refused:", *refused.problems, sep="\n  ", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"refused: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
