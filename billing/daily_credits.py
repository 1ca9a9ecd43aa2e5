"""
Daily free credits: what an operator gives, once a day where each person is.

    python -m billing.daily_credits show
    python -m billing.daily_credits set --credits N [--cap N] [--last-days N] [--plan free|paid|*]
        --by NAME --reason TEXT
    python -m billing.daily_credits off --by NAME --reason TEXT

Nobody is granted anything at midnight: the credits come when the account is first used or looked at
on a day (SQL `daily_grant_v1`). Not for who is in debt, which they would pay, or frozen.
"""

import argparse
import asyncio
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from billing.money import MICRO, from_credits
from billing.store import daily_credits as store
from billing.store.daily_credits import DailyRule, DailyStanding
from shared.db import Tx, open_pool, transaction
from shared.errors import Invalid, NotFound
from shared.settings import PostgresSettings

CREDITS_MAX: Final = 1_000_000  # a day; more is a slip of the finger
LAST_DAYS_MAX: Final = 366
PLANS: Final = ("*", "free", "paid")


@dataclass(frozen=True, slots=True)
class DailyCredits:
    """The rule, None when nothing is given, and what it means for one account."""

    rule: DailyRule | None
    standing: DailyStanding


async def daily_credits_of(tx: Tx, user_id: UUID) -> DailyCredits:
    """Raises NotFound for an unknown account."""
    standing = await store.standing_of(tx, user_id)
    if standing is None:
        raise NotFound("Account not found")
    return DailyCredits(await rule_in_force(tx), standing)


async def rule_in_force(tx: Tx) -> DailyRule | None:
    """None when nothing is given."""
    rule = await store.rule(tx)
    return rule if rule and rule.credits > 0 else None


async def set_rule(
    tx: Tx,
    *,
    whole_credits: int,
    cap_credits: int,
    last_days: int = 1,
    plan: str = "*",
    set_by: str,
    reason: str,
) -> None:
    """A new rule from now on; 0 credits: nothing. Raises Invalid."""
    if not 0 <= whole_credits <= cap_credits <= CREDITS_MAX:
        raise Invalid(f"0 <= credits <= cap <= {CREDITS_MAX:,}")
    if not 1 <= last_days <= LAST_DAYS_MAX:
        raise Invalid(f"Credits last 1 to {LAST_DAYS_MAX} days")
    if plan not in PLANS:
        raise Invalid(f"The plan is one of {', '.join(PLANS)}")
    if not set_by or not reason:
        raise Invalid("A rule names who set it, and why")
    await store.set_rule(
        tx,
        credits_=from_credits(whole_credits),
        cap=from_credits(cap_credits),
        last_days=last_days,
        plan=plan,
        set_by=set_by,
        reason=reason,
    )


def rule_in_words(rule: DailyRule | None) -> str:
    if rule is None:
        return "no daily credits"
    who = {"*": "everybody", "free": "who never paid", "paid": "who has paid"}[rule.plan]
    return (
        f"{rule.credits // MICRO:,} credits a day for {who}, "
        f"at most {rule.cap // MICRO:,} of them, each for {rule.last_days} day(s)"
    )


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="billing.daily_credits")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("show")
    change, off = commands.add_parser("set"), commands.add_parser("off")
    change.add_argument("--credits", type=int, required=True)
    change.add_argument("--cap", type=int, help="default: the credits of one day")
    change.add_argument("--last-days", type=int, default=1)
    change.add_argument("--plan", choices=PLANS, default="*")
    for command in (change, off):
        command.add_argument("--by", required=True)
        command.add_argument("--reason", required=True)
    return parser.parse_args(argv)


async def _run(asked: argparse.Namespace, settings: PostgresSettings) -> str:
    pool = await open_pool(settings, application_name="daily_credits")
    try:
        async with transaction(pool) as tx:
            if asked.command != "show":
                amount = asked.credits if asked.command == "set" else 0
                await set_rule(
                    tx,
                    whole_credits=amount,
                    cap_credits=amount if amount == 0 or asked.cap is None else asked.cap,
                    last_days=asked.last_days if amount else 1,
                    plan=asked.plan if amount else "*",
                    set_by=asked.by,
                    reason=asked.reason,
                )
            return rule_in_words(await rule_in_force(tx))
    finally:
        await pool.close()


def main(argv: Sequence[str] | None = None) -> int:
    """0 when done, 1 when refused."""
    try:
        print(asyncio.run(_run(_arguments(argv), PostgresSettings())))
    except Invalid as refused:
        print(refused.message, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
