"""
The monthly plans, and the command that edits them.

    python -m billing.plans show
    python -m billing.plans set ID [--stripe-price price_...] [--amount N --credits N] ...
    python -m billing.plans withdraw ID

A plan is sold once it has a price of Stripe's (a recurring one, monthly, of the same amount). What
that price promises is then fixed: other credits, amount, currency or rollover need another price,
so that invoices give what was bought. The plans `free` and `paid` are everybody's and never sold.
Exit 0 when done, 1 when refused, with the reason.
"""

import argparse
import asyncio
import sys
from collections.abc import Sequence
from dataclasses import fields, replace
from typing import Any, Final

import asyncpg

from billing.money import MICRO
from billing.price_words import credits_in_words
from billing.store import plans as store
from billing.store.plans import Plan, PlanPrice
from shared.db import CONNECT_TIMEOUT_S, Tx
from shared.errors import Refused
from shared.settings import PostgresSettings

EVERYBODYS: Final = frozenset({"free", "paid"})
PATTERN: Final = "paid"  # whose features a new plan begins with
RANK_STEP: Final = 10
NEVER: Final = "never"


class PlanRefused(Refused):
    """The plan was refused"""

    code = "plan_refused"


async def sold(tx: Tx) -> list[Plan]:
    """What can be subscribed to, by rank."""
    return [plan for plan in await store.all_plans(tx) if plan.stripe_price]


async def edit(tx: Tx, plan_id: str, changes: dict[str, Any]) -> Plan:
    """
    The plan with `changes` (fields of Plan), a new one when there is none of that id.

    Raises PlanRefused; let it roll back the transaction.
    """
    plan = replace(await _plan_or_new(tx, plan_id), **changes)
    if plan.id in EVERYBODYS and (plan.amount or plan.stripe_price):
        raise PlanRefused(f"{plan.id} is everybody's and cannot be sold")
    if plan.stripe_price and None in (plan.amount, plan.currency, plan.credits):
        raise PlanRefused(f"{plan.id}: what is sold has an amount, a currency and credits")
    try:
        await store.put(tx, plan)
    except (asyncpg.CheckViolationError, asyncpg.UniqueViolationError) as refused:
        raise PlanRefused(f"{plan.id}: {refused.constraint_name}") from refused
    if plan.stripe_price:
        await _promise(tx, plan, plan.stripe_price)
    return plan


async def withdraw(tx: Tx, plan_id: str) -> Plan:
    """No longer for sale. Who has it keeps it, and its invoices go on giving credits."""
    plan = await store.lock(tx, plan_id)
    if plan is None:
        raise PlanRefused(f"there is no plan {plan_id}")
    plan = replace(plan, stripe_price=None)
    await store.put(tx, plan)
    return plan


async def _plan_or_new(tx: Tx, plan_id: str) -> Plan:
    known = await store.lock(tx, plan_id)
    if known:
        return known
    everything = await store.all_plans(tx)
    pattern = next(plan for plan in everything if plan.id == PATTERN)
    rank = max(plan.rank for plan in everything) + RANK_STEP
    return replace(pattern, id=plan_id, name=plan_id.capitalize(), rank=rank)


async def _promise(tx: Tx, plan: Plan, stripe_price: str) -> None:
    """Raises PlanRefused when something else was promised for this price."""
    assert plan.currency is not None, "checked before"
    assert plan.amount is not None, "checked before"
    assert plan.credits is not None, "checked before"
    wanted = PlanPrice(
        stripe_price=stripe_price,
        plan_id=plan.id,
        currency=plan.currency,
        amount=plan.amount,
        credits=plan.credits,
        rollover_months=plan.rollover_months,
        rollover_credits=plan.rollover_credits,
    )
    await store.promise(tx, wanted)
    promised = (await store.prices(tx, [stripe_price]))[stripe_price]
    differing = [
        field.name
        for field in fields(PlanPrice)
        if getattr(promised, field.name) != getattr(wanted, field.name)
    ]
    if differing:
        words = ", ".join(differing)
        raise PlanRefused(f"{stripe_price} promises another {words}: make a new price at Stripe")


def describe(plan: Plan) -> str:
    """One line for a terminal."""
    rollover = "kept" if plan.rollover_months is None else f"+{plan.rollover_months} months"
    parts = [f"{plan.id} ({plan.name}), rank {plan.rank}"]
    if plan.amount and plan.credits:
        parts.append(f"{plan.amount} {plan.currency} for {credits_in_words(plan.credits)} a month")
        parts.append(f"credits {rollover}")
        if plan.rollover_credits:
            parts.append(f"up to {credits_in_words(plan.rollover_credits)} kept at a renewal")
        parts.append(plan.stripe_price or "not for sale: no --stripe-price")
    if plan.first_month_coupon:
        parts.append(f"first month -{plan.first_month_percent_off}% ({plan.first_month_coupon})")
    parts.append(
        f"characters {plan.custom_characters}, scenes {_word(plan.scenes)}, longer texts "
        f"{_word(plan.longer_texts)}, API keys {plan.api_keys}, calls {plan.concurrent_calls}"
    )
    return "; ".join(parts)


def _word(yes: bool) -> str:
    return "yes" if yes else "no"


async def _run(arguments: argparse.Namespace) -> str:
    dsn = PostgresSettings().database_url.get_secret_value()
    connection = await asyncpg.connect(dsn, timeout=CONNECT_TIMEOUT_S)
    try:
        async with connection.transaction():
            if arguments.command == "set":
                return describe(await edit(connection, arguments.id, _changes(arguments)))
            if arguments.command == "withdraw":
                return describe(await withdraw(connection, arguments.id))
            return "\n".join(describe(plan) for plan in await store.all_plans(connection))
    finally:
        await connection.close()


def _changes(arguments: argparse.Namespace) -> dict[str, Any]:
    """Only what was said."""
    names = {field.name for field in fields(Plan)} - {"id"}
    said = {name: value for name, value in vars(arguments).items() if value is not None}
    changes = {name: value for name, value in said.items() if name in names}
    for name in {"credits", "rollover_credits"} & changes.keys():
        changes[name] = changes[name] * MICRO or None
    if changes.get("rollover_months") == NEVER:
        changes["rollover_months"] = None
    if arguments.no_coupon:
        changes |= {"first_month_coupon": None, "first_month_percent_off": None}
    return changes


def _yes_or_no(word: str) -> bool:
    if word not in {"yes", "no"}:
        raise ValueError
    return word == "yes"


def _months(word: str) -> int | str:
    return word if word == NEVER else int(word)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m billing.plans")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("show", help="all plans")
    commands.add_parser("withdraw", help="sell a plan no longer").add_argument("id")
    change = commands.add_parser("set", help="change a plan, or make one")
    change.add_argument("id")
    for name, meaning in (("name", "for people"), ("currency", "usd, eur, jpy ...")):
        change.add_argument(f"--{name}", help=meaning)
    change.add_argument("--stripe-price", help="id of a monthly price at Stripe")
    change.add_argument("--first-month-coupon", metavar="ID", help="of a coupon at Stripe")
    change.add_argument("--no-coupon", action="store_true")
    for name, meaning in (
        ("rank", "of all plans that apply, the one of the highest counts"),
        ("amount", "a month, in the currency's smallest unit"),
        ("credits", "a month"),
        ("first-month-percent-off", "what the coupon takes off, as it is shown"),
        ("rollover-credits", "kept at a renewal of what would end; 0: nothing"),
        ("custom-characters", "how many"),
        ("api-keys", "how many"),
        ("concurrent-calls", "how many"),
    ):
        change.add_argument(f"--{name}", type=int, metavar="N", help=meaning)
    for name in ("scenes", "longer-texts"):
        change.add_argument(f"--{name}", type=_yes_or_no, metavar="yes|no")
    change.add_argument(
        "--rollover-months",
        type=_months,
        metavar="N|never",
        help="credits expire so many months after their period; 'never' keeps them",
    )
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    try:
        print(asyncio.run(_run(_parser().parse_args(argv))))
    except PlanRefused as refused:
        print(f"refused: {refused.message}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
