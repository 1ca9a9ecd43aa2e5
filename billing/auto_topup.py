"""
Paying by itself before the credit runs out: off unless asked for, capped each month, never blindly
again.

    begin    the intent, committed: one at a time, by an index, and the rule locked after it
    pay      Stripe is asked with the intent's key; a lost answer is asked for again with the same
    refused  the rule needs the person; nothing is tried until they act

Stripe keeps a key for a day. An intent that is older and has no answer is not paid any more: if it
was, the event says so; meanwhile the person decides.
"""

from datetime import timedelta
from typing import Final
from uuid import UUID

from billing import ledger, topups
from billing.customers import customer_of
from billing.quotes import quote_amount
from billing.store import auto_topups as store
from billing.store import topups as topups_store
from billing.store.auto_topups import Rule
from billing.store.topups import Topup
from billing.stripe_objects import CardRefused, Till
from shared.clock import Clock
from shared.db import Pool, Tx, transaction
from shared.errors import Forbidden, NotFound
from shared.ids import new_uuid

FIRST_REPAIR_S: Final = 60.0  # longer than one request with its retries
REPAIR_S_MAX: Final = 3_600.0
KEY_AGE_MAX: Final = timedelta(hours=23)


async def begin(tx: Tx, user_id: UUID) -> Topup | None:
    """The intent to pay; None when nothing is to be paid now. The caller commits, then pays."""
    rule = await store.rule_of(tx, user_id)
    if rule is None or not rule.is_on or rule.state != "ready":
        return None
    quote = await quote_amount(tx, rule.amount, currency=rule.currency)
    topup_id = new_uuid()
    # Before anything is judged: this waits for a payment that settles right now, and who read the
    # balance before it would pay twice.
    is_only_one = await topups_store.insert(
        tx,
        topup_id=topup_id,
        user_id=user_id,
        kind="auto",
        package_id=None,
        promotion_id=None,
        amount=quote.amount,
        currency=quote.currency,
        credits_=quote.credits,
        save_card=False,
        due_in_s=FIRST_REPAIR_S,
    )
    if not is_only_one:
        return None
    if await store.lock_rule(tx, user_id) != rule or not await _is_due(tx, rule):
        await topups_store.take_back(tx, topup_id)
        return None
    return await topups_store.by_id(tx, topup_id)


async def _is_due(tx: Tx, rule: Rule) -> bool:
    """Too little credit is left, and the month has room for what was just intended."""
    balance = await ledger.balance_of(tx, rule.user_id)
    spent = await store.spent_this_month(tx, rule.user_id, rule.currency)
    return balance.available < rule.threshold and spent <= rule.month_amount_max


async def pay(pool: Pool, till: Till, topup: Topup) -> str | None:
    """
    Pay an intent, or ask again what became of it; returns why it was refused, None otherwise.

    Raises TillAway: then nobody knows, and the jobs ask again with the same key.
    """
    try:
        customer = await customer_of(pool, till, topup.user_id)
        intent = await till.pay_off_session(
            customer=customer,
            amount=topup.amount,
            currency=topup.currency,
            metadata={"topup_id": str(topup.id)},
            key=f"topup:{topup.id}",
        )
    except CardRefused as refused:
        return await _refuse(pool, topup, refused.decline_code or refused.code)
    except (Forbidden, NotFound) as refused:
        return await _refuse(pool, topup, refused.code)
    async with transaction(pool) as tx:
        await topups_store.opened(tx, topup.id, payment_intent=intent.id)
    await topups.sync_payment_intent(pool, till, intent.id)
    return await _failure_of(pool, topup)


async def settle(pool: Pool, till: Till, topup: Topup, clock: Clock) -> str | None:
    """What became of a payment whose end nobody wrote down. As `pay`."""
    if topup.payment_intent:
        await topups.sync_payment_intent(pool, till, topup.payment_intent)
        return await _failure_of(pool, topup)
    if clock.now() - topup.created_at < KEY_AGE_MAX:
        return await pay(pool, till, topup)
    async with transaction(pool) as tx:
        await topups_store.by_id(tx, topup.id)  # locks in the order of everybody
        await store.lock_rule(tx, topup.user_id)
        await topups_store.move(tx, topup.id, state="unknown", failure="no_answer")
        await store.needs_action(tx, topup.user_id, failure="no_answer")
    return "no_answer"


async def _refuse(pool: Pool, topup: Topup, code: str) -> str:
    async with transaction(pool) as tx:
        await topups.fail(tx, topup, code)
    return code


async def _failure_of(pool: Pool, topup: Topup) -> str | None:
    async with transaction(pool) as tx:
        now = await topups_store.by_id(tx, topup.id)
    return now.failure if now and now.state == "failed" else None
