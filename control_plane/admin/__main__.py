"""
What operators do to accounts, from a shell that may reach the database.

    python -m control_plane.admin find (--id UUID | --email ADDRESS)
    python -m control_plane.admin show UUID [--rows N]
    python -m control_plane.admin grant UUID CREDITS --by NAME --reason WHY [--key K] [--expires T]
    python -m control_plane.admin adjust UUID CREDITS --by NAME --reason WHY [--key K]
    python -m control_plane.admin freeze|unfreeze UUID --by NAME --reason WHY
    python -m control_plane.admin costs list
    python -m control_plane.admin costs set call|speech|clone MODEL BASIS MICRODOLLARS UNITS ...
    python -m control_plane.admin dead-letters list
    python -m control_plane.admin dead-letters retry [EVENT] --by NAME --reason WHY

Everything that changes something is written to the audit log. With the same --key, a command that
was begun before does nothing more. Exit 0 when done, 1 when refused, with the reason.
"""

import argparse
import asyncio
import sys
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

import asyncpg

from billing import lots
from billing.money import from_credits
from billing.store import audit as audit_store
from control_plane.admin import actions, costs, dead_letters, printing
from control_plane.admin.actions import AccountNotFound
from control_plane.store import call_history, daily_stats, operator_accounts, stripe_inbox
from shared.clock import SystemClock
from shared.db import CONNECT_TIMEOUT_S, STATEMENT_TIMEOUT_S, Tx
from shared.errors import AppError, Invalid
from shared.ids import new_uuid
from shared.settings import PostgresSettings

ROWS: Final = 10
ROWS_MAX: Final = 1_000
FOUND_MAX: Final = 20
LETTERS_MAX: Final = 200


async def run(tx: Tx, arguments: argparse.Namespace) -> str:
    """Do it; what to print. Raises AppError when it is refused."""
    match arguments.command:
        case "find":
            return await _find(tx, arguments)
        case "show":
            return await _show(tx, arguments.account, rows=min(arguments.rows, ROWS_MAX))
        case "grant" | "adjust":
            return await _move(tx, arguments)
        case "freeze" | "unfreeze":
            change = actions.freeze if arguments.command == "freeze" else actions.unfreeze
            actor, reason = _actor(arguments), arguments.reason
            await change(tx, user_id=arguments.account, actor=actor, reason=reason)
            return f"{arguments.account}: done, {arguments.command}"
        case "costs":
            return await _costs(tx, arguments)
        case _:
            return await _dead_letters(tx, arguments)


async def _find(tx: Tx, arguments: argparse.Namespace) -> str:
    if arguments.id:
        one = await operator_accounts.find(tx, arguments.id)
        found = [one] if one else []
    else:
        found = await operator_accounts.find_by_email(tx, arguments.email, limit=FOUND_MAX)
    if not found:
        raise AccountNotFound
    return "\n\n".join("\n".join(printing.account_lines(one)) for one in found)


async def _show(tx: Tx, user_id: UUID, *, rows: int) -> str:
    found = await operator_accounts.find(tx, user_id)
    if found is None:
        raise AccountNotFound
    ledger = await operator_accounts.ledger_of(tx, owner=user_id, limit=rows, offset=0)
    calls = await call_history.list_calls(tx, owner=user_id, limit=rows, offset=0)
    payments = await operator_accounts.payments_of(tx, owner=user_id, limit=rows, offset=0)
    entries = await audit_store.entries_of(tx, owner=user_id, limit=rows, offset=0)
    return "\n".join(
        [
            *printing.account_lines(found),
            *_part("lots", printing.lot_lines(await lots.open_lots_of(tx, user_id))),
            *_part("ledger", printing.ledger_lines(ledger)),
            *_part("calls", printing.call_lines(calls)),
            *_part("payments", printing.payment_lines(payments)),
            *_part("audit log", printing.audit_lines(entries)),
        ]
    )


def _part(title: str, lines: Iterator[str]) -> list[str]:
    return ["", f"{title}:", *(list(lines) or ["  none"])]


async def _move(tx: Tx, arguments: argparse.Namespace) -> str:
    amount, key = from_credits(arguments.credits), arguments.key or f"cli-{new_uuid()}"
    who, actor, reason = arguments.account, _actor(arguments), arguments.reason
    if arguments.command == "grant":
        expires_at: datetime | None = arguments.expires
        if expires_at and (expires_at.tzinfo is None or expires_at <= SystemClock().now()):
            raise Invalid("--expires must lie ahead, and have an offset")
        moved = await actions.grant(
            tx,
            user_id=who,
            amount=amount,
            key=key,
            actor=actor,
            reason=reason,
            expires_at=expires_at,
        )
    else:
        moved = await actions.adjust(
            tx, user_id=who, amount=amount, key=key, actor=actor, reason=reason
        )
    found = await operator_accounts.find(tx, who)
    assert found is not None, "its balance was moved"
    done = f"done, key {key}" if moved.is_new else f"key {key} was used before: nothing was done"
    return "\n".join([done, *printing.account_lines(found)])


async def _costs(tx: Tx, arguments: argparse.Namespace) -> str:
    if arguments.action == "set":
        await costs.put(
            tx,
            product=arguments.product,
            model=arguments.model,
            basis=arguments.basis,
            microdollars=arguments.microdollars,
            per_units=arguments.per_units,
            actor=_actor(arguments),
            reason=arguments.reason,
        )
    return "\n".join(costs.cost_lines(await daily_stats.costs(tx)))


async def _dead_letters(tx: Tx, arguments: argparse.Namespace) -> str:
    if arguments.action == "list":
        found = await stripe_inbox.dead(tx, limit=LETTERS_MAX)
        return "\n".join(printing.dead_letter_lines(found)) or "no dead letters"
    count = await dead_letters.retry(
        tx, event_id=arguments.event, actor=_actor(arguments), reason=arguments.reason
    )
    return f"{count} will be tried again"


def _actor(arguments: argparse.Namespace) -> str:
    return f"shell:{arguments.by}"


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(prog="python -m control_plane.admin")
    commands = top.add_subparsers(dest="command", required=True)
    find = commands.add_parser("find", help="find an account")
    by = find.add_mutually_exclusive_group(required=True)
    by.add_argument("--id", type=UUID)
    by.add_argument("--email")
    show = commands.add_parser("show", help="balance, ledger, calls, payments and audit log")
    show.add_argument("account", type=UUID)
    show.add_argument("--rows", type=int, default=ROWS, help="of each list")
    for name, text in (("grant", "give free credit"), ("adjust", "correct a balance, up or down")):
        moving = commands.add_parser(name, help=text)
        moving.add_argument("account", type=UUID)
        moving.add_argument("credits", type=int)
        _add_responsible(moving)
        moving.add_argument("--key", help="the same key moves credit once")
        if name == "grant":
            moving.add_argument("--expires", type=datetime.fromisoformat, metavar="ISO")
    for name in ("freeze", "unfreeze"):
        freezing = commands.add_parser(name, help=f"{name} an account")
        freezing.add_argument("account", type=UUID)
        _add_responsible(freezing)
    paying = commands.add_parser("costs", help="what providers take").add_subparsers(
        dest="action", required=True
    )
    paying.add_parser("list")
    price = paying.add_parser("set", help="from now on, in millionths of a dollar")
    price.add_argument("product", choices=costs.PRODUCTS)
    price.add_argument("model", help="the provider's name for it")
    price.add_argument("basis", choices=costs.BASES)
    price.add_argument("microdollars", type=int)
    price.add_argument("per_units", type=int)
    _add_responsible(price)
    letters = commands.add_parser("dead-letters", help="events of Stripe's that were given up")
    doing = letters.add_subparsers(dest="action", required=True)
    doing.add_parser("list")
    retry = doing.add_parser("retry")
    retry.add_argument("event", nargs="?", help="one event's id; all when left out")
    _add_responsible(retry)
    return top


def _add_responsible(command: argparse.ArgumentParser) -> None:
    command.add_argument("--by", required=True, metavar="NAME", help="who does it")
    command.add_argument("--reason", required=True, metavar="TEXT", help="why")


async def _run(arguments: argparse.Namespace) -> str:
    dsn = PostgresSettings().database_url.get_secret_value()
    connection = await asyncpg.connect(
        dsn, timeout=CONNECT_TIMEOUT_S, command_timeout=STATEMENT_TIMEOUT_S
    )
    try:
        async with connection.transaction():
            return await run(connection, arguments)
    finally:
        await connection.close()


def main(argv: Sequence[str] | None = None) -> int:
    arguments = parser().parse_args(argv)
    try:
        sys.stdout.write(asyncio.run(_run(arguments)) + "\n")
    except AppError as refused:
        sys.stderr.write(f"refused: {refused.message}\n")
        return 1
    except OSError as error:
        sys.stderr.write(f"refused: {type(error).__name__}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
