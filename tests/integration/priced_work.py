"""Prices and paid work for tests: rates, cards, accounts with credit, calls and charges."""

from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

from billing import charging, generation_charges, ledger, price_book
from billing.accounts import account_for
from billing.money import MICRO, from_credits
from billing.settings import ChargingSettings
from billing.store.prices import Card, Rate
from shared.call_protocol import CallReport
from shared.db import Pool, transaction
from shared.end_reasons import EndReason
from shared.ids import new_call_id

SETTINGS = ChargingSettings()


def rate(product: str = "call", whole_credits: int = 1_000, **other: Any) -> Rate:
    """A rate for everything: a minute of a call, a character of anything else."""
    plain = Rate(
        product=product,
        model="*",
        plan="*",
        channel="*",
        unit="minute" if product == "call" else "character",
        price_microcredits=whole_credits * MICRO,
        per_units=1,
        minimum_microcredits=0,
    )
    return replace(plain, **other)


async def publish(pool: Pool, *rates: Rate, at: datetime | None = None) -> Card:
    async with transaction(pool) as tx:
        return await price_book.publish(
            tx, rates, effective_from=at, published_by="test", reason="a test"
        )


async def rich_account(pool: Pool, subject: str = "someone", *, paid: bool = False) -> UUID:
    async with transaction(pool) as tx:
        profile = await account_for(
            tx, issuer="test", subject=subject, email=None, signup_credits=100_000
        )
        if paid:
            await ledger.post(
                tx,
                user_id=profile.id,
                amount=from_credits(1),
                kind="topup",
                source="test",
                source_id=subject,
            )
    return profile.id


async def begin_call(
    pool: Pool, user: UUID, model: str = "*"
) -> tuple[UUID, charging.Authorization]:
    call_id = new_call_id()
    async with transaction(pool) as tx:
        held = await charging.authorize(
            tx, call_id=call_id, user_id=user, settings=SETTINGS, model=model
        )
    return call_id, held


async def run_call(pool: Pool, call_id: UUID, seconds: int) -> None:
    """Answer, speak for `seconds`, and hang up."""
    async with transaction(pool) as tx:
        started = await charging.start(tx, call_id=call_id, worker_id="w", job_id="j")
        await tx.execute(
            "update call_sessions set answered_at = answered_at - make_interval(secs => $2) "
            "where id = $1",
            call_id,
            seconds,
        )
        report = CallReport(id=call_id, epoch=started.epoch, seconds=seconds)
        await charging.settle(tx, [report], SETTINGS)
        await tx.execute(  # what the control plane freezes beside the call
            "insert into call_configs(call_id, room_name, plan, model, voice, language, "
            "instructions, greeting, free_call) "
            "values ($1, $2, 'free', 'm', 'Ara', 'en', '', '', true)",
            call_id,
            str(call_id),
        )
        await charging.close(
            tx,
            call_id=call_id,
            epoch=started.epoch,
            seconds=seconds,
            reason=EndReason.CALLER_HANGUP,
            closed_by="agent",
            source="agent",
        )


async def speak(pool: Pool, user: UUID, characters: int) -> None:
    """One charge from reserve to settle."""
    async with transaction(pool) as tx:
        reserved = await generation_charges.reserve(
            tx,
            user_id=user,
            idempotency_key=str(new_call_id()),
            request_sha256=bytes(32),
            product="speech",
            model="local",
            quantity_max=characters,
        )
        await generation_charges.settle(tx, charge_id=reserved.charge.id, quantity=characters)
