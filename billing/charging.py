"""
Charging of calls: authorize a hold, settle watermarks, close with one debit.

The state changes themselves are SQL functions (`shared/migrations/0003_charging.sql`); here are the
rules around them. Words as in RFC 8506: a grant is a quota of seconds, the final unit is the last.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

import asyncpg

from billing import receipts
from billing.errors import CallClosed, CallNotFound, CallTaken, SpendingCapReached
from billing.money import MicroCredits, from_credits
from billing.price_book import plan_of, rate_in_force
from billing.pricing import affordable_seconds
from billing.settings import ChargingSettings
from billing.store import accounts, calls
from billing.store.calls import Closed, OpenCall, Started
from shared.call_protocol import CallReport, Grant, Standing
from shared.db import Tx
from shared.end_reasons import EndReason
from shared.errors import ActiveCall, Fenced, FreeLimitReached, InsufficientCredits

FENCED_SQLSTATE = "40P99"
SUPERSEDE_AFTER_S = 10  # an unanswered call this old gives way to a new one of the same account
# A call whose agent was seen this recently is not taken over. Agents report every 10 s and may need
# 5 s more when an answer was lost; who has missed two reports is silent.
WORKER_FRESH_S = 20


@dataclass(frozen=True, slots=True)
class Authorization:
    """A call that may be joined: its price and how long it may become."""

    granted_seconds: int
    price_microcredits_per_minute: MicroCredits
    max_seconds: int
    free_call: bool
    superseded: list[UUID]  # older unanswered calls that were closed to make room
    rate_card_version: int  # frozen: a new price list does not reach this call


@dataclass(frozen=True, slots=True)
class Eligibility:
    """What an account may start, under the lock of its credits row."""

    available: MicroCredits
    paid: bool
    free_seconds: int | None  # what is left of the free allowance; None for who has paid


async def check_eligibility(tx: Tx, user_id: UUID, settings: ChargingSettings) -> Eligibility:
    """
    Lock the account and check it may start a call.

    Raises InsufficientCredits (SpendingCapReached is one) or FreeLimitReached, in upstream's order.
    """
    balance = await accounts.lock_balance(tx, user_id)
    minimum = from_credits(settings.call_min_credits)
    if balance is None or balance.debt > 0:
        raise InsufficientCredits
    # A hold of the account's own open call does not make it poor; the active call is refused later.
    if balance.balance < minimum:
        raise InsufficientCredits
    if balance.spendable + balance.reserved < minimum:
        raise SpendingCapReached
    free_seconds = None
    if not balance.paid:
        free_seconds = settings.free_call_seconds - await calls.seconds_used(tx, user_id)
        if free_seconds <= 0:
            raise FreeLimitReached
    return Eligibility(MicroCredits(balance.spendable), balance.paid, free_seconds)


async def authorize(
    tx: Tx,
    *,
    call_id: UUID,
    user_id: UUID,
    settings: ChargingSettings,
    concurrent_max: int = 1,
    model: str = "*",
    channel: str = "web",
) -> Authorization:
    """
    Hold the first grant of a new call, at the price in force for its model and channel.

    No hold, no call. Raises ActiveCall, InsufficientCredits, FreeLimitReached or NotPriced; nothing
    is changed then.
    """
    eligible = await check_eligibility(tx, user_id, settings)
    superseded = await _make_room(tx, user_id, concurrent_max)
    priced = await rate_in_force(
        tx, product="call", model=model, plan=plan_of(paid=eligible.paid), channel=channel
    )
    price = MicroCredits(priced.rate.price_microcredits)
    minimum_seconds = affordable_seconds(price, from_credits(settings.call_min_credits))
    granted = await calls.authorize(
        tx,
        call_id=call_id,
        user_id=user_id,
        price=price,
        want_seconds=settings.grant_seconds,
        min_seconds=max(1, minimum_seconds),
        max_seconds=settings.call_max_seconds,
        free_seconds=eligible.free_seconds,
        rate_card_version=priced.version,
    )
    balance = await accounts.balance_of(tx, user_id)
    assert balance is not None, "locked above"
    if granted == 0:
        raise SpendingCapReached if balance.spendable < balance.available else InsufficientCredits
    reachable = granted + affordable_seconds(price, balance.spendable)
    cap = settings.call_max_seconds
    if eligible.free_seconds is not None:
        cap = min(cap, eligible.free_seconds)
    return Authorization(
        granted, price, min(reachable, cap), not eligible.paid, superseded, priced.version
    )


async def _make_room(tx: Tx, user_id: UUID, concurrent_max: int) -> list[UUID]:
    """Close calls nobody answered, so that reloading the page does not lock the caller out."""
    open_calls = await calls.open_calls_of(tx, user_id)
    unanswered = [call for call in open_calls if _may_be_superseded(call)]
    if len(open_calls) - len(unanswered) >= concurrent_max:
        raise ActiveCall
    superseded = []
    for call in unanswered[: max(0, len(open_calls) - concurrent_max + 1)]:
        await calls.close(
            tx,
            call_id=call.id,
            epoch=None,
            seconds=0,
            reason=EndReason.SUPERSEDED,
            closed_by="caller",
            source="reaper",
        )
        superseded.append(call.id)
    return superseded


def _may_be_superseded(call: OpenCall) -> bool:
    return call.state == "authorized" and call.seconds == 0 and call.age_s > SUPERSEDE_AFTER_S


async def start(tx: Tx, *, call_id: UUID, worker_id: str, job_id: str) -> Started:
    """
    Give the call to a worker's job under a new epoch; the same job again gets the same answer.

    Raises CallNotFound, CallClosed, or CallTaken while another job holds it and was seen lately.
    """
    started = await calls.start(
        tx, call_id=call_id, worker_id=worker_id, job_id=job_id, fresh_s=WORKER_FRESH_S
    )
    if started:
        return started
    state = await calls.state_of(tx, call_id)
    if state is None:
        raise CallNotFound
    raise CallClosed if state.state in {"closed", "expired"} else CallTaken


async def settle(tx: Tx, reports: Sequence[CallReport], settings: ChargingSettings) -> list[Grant]:
    """Merge watermarks and extend grants; one answer a distinct call, unknown calls included."""
    grants = await calls.settle(
        tx,
        reports,
        want_seconds=settings.grant_seconds,
        low_seconds=settings.grant_low_seconds,
    )
    found = {grant.id for grant in grants}
    missing = {report.id for report in reports} - found
    unknown = [
        Grant(id=id_, standing=Standing.UNKNOWN, seconds=0, granted_seconds=0, final_unit=True)
        for id_ in sorted(missing)
    ]
    return grants + unknown


async def close(
    tx: Tx,
    *,
    call_id: UUID,
    epoch: int | None,
    seconds: int,
    reason: EndReason,
    closed_by: str,
    source: str,
) -> Closed:
    """
    Bill up to the watermark, release the hold, write one debit and a receipt. A closed call stays
    as it is.

    `epoch` None skips the ownership check: for the reaper and operators.
    Raises CallNotFound or Fenced.
    """
    try:
        closed = await calls.close(
            tx,
            call_id=call_id,
            epoch=epoch,
            seconds=seconds,
            reason=reason,
            closed_by=closed_by,
            source=source,
        )
    except asyncpg.PostgresError as error:
        if error.sqlstate == FENCED_SQLSTATE:
            raise Fenced from error
        raise
    if closed is None:
        raise CallNotFound
    if closed.seconds > 0 and not closed.already_closed:
        await receipts.issue_for_call(tx, call_id)
    return closed
