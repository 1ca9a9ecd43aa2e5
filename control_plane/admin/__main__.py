"""
What operators do to accounts, from a shell that may reach the database.

    python -m control_plane.admin find (--id UUID | --email ADDRESS)
    python -m control_plane.admin show UUID [--rows N]
    python -m control_plane.admin grant UUID CREDITS --by NAME --reason WHY [--key K] [--expires T]
    python -m control_plane.admin adjust UUID CREDITS --by NAME --reason WHY [--key K]
    python -m control_plane.admin freeze|unfreeze UUID --by NAME --reason WHY
    python -m control_plane.admin age UUID adult|minor --by NAME --reason WHY
    python -m control_plane.admin reports list [--resolved]
    python -m control_plane.admin reports resolve|reopen REPORT ... --by NAME --reason WHY
    python -m control_plane.admin costs list
    python -m control_plane.admin costs set call|speech|clone MODEL BASIS MICRODOLLARS UNITS ...
    python -m control_plane.admin dead-letters list
    python -m control_plane.admin dead-letters retry [EVENT] --by NAME --reason WHY

Everything that changes something is written to the audit log. With the same --key, a command that
was begun before does nothing more. Exit 0 when done, 1 when refused, with the reason.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from billing import lots
from billing.money import from_credits
from billing.store import audit as audit_store
from control_plane.admin import actions, costs, dead_letters, printing
from control_plane.admin.actions import AccountNotFound
from control_plane.safety import ages, reports
from control_plane.shell import actor_of, add_responsible, run_command
from control_plane.store import call_history, daily_stats, operator_accounts, stripe_inbox
from control_plane.store import reports as report_store
from shared.clock import SystemClock
from shared.db import Tx
from shared.errors import Invalid
from shared.ids import new_uuid

ROWS: Final = 10
ROWS_MAX: Final = 1_000
FOUND_MAX: Final = 20
LETTERS_MAX: Final = 200
REPORTS_MAX: Final = 200


async def _find(tx: Tx, arguments: argparse.Namespace) -> str:
    if arguments.id:
        one = await operator_accounts.find(tx, arguments.id)
        found = [one] if one else []
    else:
        found = await operator_accounts.find_by_email(tx, arguments.email, limit=FOUND_MAX)
    if not found:
        raise AccountNotFound
    return "\n\n".join("\n".join(printing.account_lines(one)) for one in found)


async def _show(tx: Tx, arguments: argparse.Namespace) -> str:
    user_id, rows = arguments.account, min(arguments.rows, ROWS_MAX)
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
    who, actor, reason = arguments.account, actor_of(arguments), arguments.reason
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


async def _freeze(tx: Tx, arguments: argparse.Namespace) -> str:
    change = actions.freeze if arguments.command == "freeze" else actions.unfreeze
    actor, reason = actor_of(arguments), arguments.reason
    await change(tx, user_id=arguments.account, actor=actor, reason=reason)
    return f"{arguments.account}: done, {arguments.command}"


async def _mark_age(tx: Tx, arguments: argparse.Namespace) -> str:
    who, is_adult = arguments.account, arguments.age == "adult"
    await ages.mark_age(
        tx, who, is_adult=is_adult, actor=actor_of(arguments), reason=arguments.reason
    )
    return f"{who}: {arguments.age} from the next call on"


async def _reports(tx: Tx, arguments: argparse.Namespace) -> str:
    if arguments.action == "list":
        listed = report_store.list_resolved if arguments.resolved else report_store.list_open
        lines = printing.report_lines(await listed(tx, limit=REPORTS_MAX))
        return "\n".join(lines) or "no reports"
    change = reports.resolve if arguments.action == "resolve" else reports.reopen
    count = await change(tx, arguments.report, actor=actor_of(arguments), reason=arguments.reason)
    return f"{count} done, {arguments.action}"


async def _costs(tx: Tx, arguments: argparse.Namespace) -> str:
    if arguments.action == "set":
        await costs.put(
            tx,
            product=arguments.product,
            model=arguments.model,
            basis=arguments.basis,
            microdollars=arguments.microdollars,
            per_units=arguments.per_units,
            actor=actor_of(arguments),
            reason=arguments.reason,
        )
    return "\n".join(costs.cost_lines(await daily_stats.costs(tx)))


async def _dead_letters(tx: Tx, arguments: argparse.Namespace) -> str:
    if arguments.action == "list":
        found = await stripe_inbox.dead(tx, limit=LETTERS_MAX)
        return "\n".join(printing.dead_letter_lines(found)) or "no dead letters"
    count = await dead_letters.retry(
        tx, event_id=arguments.event, actor=actor_of(arguments), reason=arguments.reason
    )
    return f"{count} will be tried again"


_COMMANDS: Final = {
    "find": _find,
    "show": _show,
    "grant": _move,
    "adjust": _move,
    "freeze": _freeze,
    "unfreeze": _freeze,
    "age": _mark_age,
    "reports": _reports,
    "costs": _costs,
    "dead-letters": _dead_letters,
}


async def run(tx: Tx, arguments: argparse.Namespace) -> str:
    """Do it; what to print. Raises AppError when it is refused."""
    return await _COMMANDS[arguments.command](tx, arguments)


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
        add_responsible(moving)
        moving.add_argument("--key", help="the same key moves credit once")
        if name == "grant":
            moving.add_argument("--expires", type=datetime.fromisoformat, metavar="ISO")
    for name in ("freeze", "unfreeze"):
        freezing = commands.add_parser(name, help=f"{name} an account")
        freezing.add_argument("account", type=UUID)
        add_responsible(freezing)
    age = commands.add_parser("age", help="minors' mode on or off")
    age.add_argument("account", type=UUID)
    age.add_argument("age", choices=("adult", "minor"))
    add_responsible(age)
    _add_reports(commands.add_parser("reports", help="what callers have reported"))
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
    add_responsible(price)
    letters = commands.add_parser("dead-letters", help="events of Stripe's that were given up")
    doing = letters.add_subparsers(dest="action", required=True)
    doing.add_parser("list")
    retry = doing.add_parser("retry")
    retry.add_argument("event", nargs="?", help="one event's id; all when left out")
    add_responsible(retry)
    return top


def _add_reports(command: argparse.ArgumentParser) -> None:
    doing = command.add_subparsers(dest="action", required=True)
    listing = doing.add_parser("list")
    listing.add_argument("--resolved", action="store_true", help="those that were closed last")
    for name in ("resolve", "reopen"):
        changing = doing.add_parser(name)
        changing.add_argument("report", type=UUID, nargs="+")
        add_responsible(changing)


def main(argv: Sequence[str] | None = None) -> int:
    arguments = parser().parse_args(argv)
    return run_command(lambda tx: run(tx, arguments))


if __name__ == "__main__":
    sys.exit(main())
