"""The rules around the charging functions, on real Postgres."""

import asyncio
from collections.abc import AsyncIterator
from uuid import UUID

import asyncpg
import pytest
import pytest_asyncio

from billing import charging, ledger
from billing.accounts import account_for
from billing.errors import CallClosed, CallTaken
from billing.money import MicroCredits, from_credits
from billing.settings import ChargingSettings
from shared.call_protocol import CallReport, Standing
from shared.db import Pool, open_pool, transaction
from shared.end_reasons import EndReason
from shared.errors import ActiveCall, Fenced, FreeLimitReached, InsufficientCredits
from shared.ids import CallId, new_call_id
from shared.settings import PostgresSettings

SETTINGS = ChargingSettings()


@pytest_asyncio.fixture
async def pool(db_dsn: str) -> AsyncIterator[Pool]:
    settings = PostgresSettings.model_validate({"database_url": db_dsn})
    opened = await open_pool(settings, application_name="tests")
    yield opened
    await opened.close()


async def _account(pool: Pool, subject: str = "someone", *, whole_credits: int = 10_000) -> UUID:
    async with transaction(pool) as tx:
        profile = await account_for(
            tx, issuer="test", subject=subject, email=None, signup_credits=whole_credits
        )
    return profile.id


async def _top_up(pool: Pool, user: UUID, amount: int, key: str) -> None:
    async with transaction(pool) as tx:
        await ledger.post(
            tx,
            user_id=user,
            amount=MicroCredits(amount),
            kind="topup",
            source="test",
            source_id=key,
        )


async def _authorize(
    pool: Pool, user: UUID, settings: ChargingSettings = SETTINGS
) -> tuple[CallId, charging.Authorization]:
    call_id = new_call_id()
    async with transaction(pool) as tx:
        held = await charging.authorize(tx, call_id=call_id, user_id=user, settings=settings)
    return call_id, held


async def _start(pool: Pool, call_id: UUID, *, job: str = "job") -> int:
    async with transaction(pool) as tx:
        return (await charging.start(tx, call_id=call_id, worker_id="w", job_id=job)).epoch


async def _settle(pool: Pool, call_id: UUID, epoch: int, seconds: int) -> tuple[Standing, int, int]:
    async with transaction(pool) as tx:
        [grant] = await charging.settle(
            tx, [CallReport(id=call_id, epoch=epoch, seconds=seconds)], SETTINGS
        )
    return grant.standing, grant.seconds, grant.granted_seconds


async def _close(pool: Pool, call_id: UUID, epoch: int | None, seconds: int) -> int:
    async with transaction(pool) as tx:
        closed = await charging.close(
            tx,
            call_id=call_id,
            epoch=epoch,
            seconds=seconds,
            reason=EndReason.CALLER_HANGUP,
            closed_by="agent",
            source="agent",
        )
    return closed.seconds


async def _let_time_pass(pool: Pool, call_id: UUID, seconds: int) -> None:
    """Move the call's own past back, as if it had been running for `seconds` more."""
    async with transaction(pool) as tx:
        await tx.execute(
            "update call_sessions set answered_at = answered_at - make_interval(secs => $2), "
            "started_at = started_at - make_interval(secs => $2) where id = $1",
            call_id,
            seconds,
        )


async def _money(pool: Pool, user: UUID) -> tuple[int, int, int]:
    async with transaction(pool) as tx:
        balance = await ledger.balance_of(tx, user)
    return balance.balance, balance.reserved, balance.debt


async def test_twenty_first_requests_open_one_account_with_one_sign_up_credit(pool: Pool) -> None:
    users = await asyncio.gather(*(_account(pool) for _ in range(20)))

    assert len(set(users)) == 1
    assert await _money(pool, users[0]) == (from_credits(10_000), 0, 0)


async def test_twenty_parallel_authorizations_of_one_minute_give_one_call(pool: Pool) -> None:
    user = await _account(pool, whole_credits=1_000)

    results = await asyncio.gather(
        *(_authorize(pool, user) for _ in range(20)), return_exceptions=True
    )

    held = [r for r in results if not isinstance(r, BaseException)]
    assert len(held) == 1
    assert {type(r) for r in results if isinstance(r, BaseException)} <= {
        ActiveCall,
        InsufficientCredits,
    }
    assert await _money(pool, user) == (from_credits(1_000), from_credits(1_000), 0)


async def test_a_fast_agent_clock_is_not_believed(pool: Pool) -> None:
    """The database's own clock bounds every report, whatever the agent says."""
    user = await _account(pool)
    call_id, _ = await _authorize(pool, user)
    epoch = await _start(pool, call_id)
    await _settle(pool, call_id, epoch, 0)

    standing, seconds, _ = await _settle(pool, call_id, epoch, 100)

    assert standing is Standing.OPEN
    assert seconds <= 3


async def test_a_late_first_report_loses_nothing(pool: Pool) -> None:
    """The control plane was away when the clock began; the first report says 12 s at once."""
    user = await _account(pool)
    call_id, _ = await _authorize(pool, user)
    epoch = await _start(pool, call_id)
    await _let_time_pass(pool, call_id, 30)

    _, seconds, _ = await _settle(pool, call_id, epoch, 12)

    assert seconds == 12


async def test_a_call_ends_exactly_at_the_last_paid_second(pool: Pool) -> None:
    """Credit for 70 s: the grant ends there, the balance ends at zero, nothing is owed."""
    user = await _account(pool, whole_credits=0)
    await _top_up(pool, user, 70 * 1_000_000_000 // 60, "t")
    call_id, held = await _authorize(pool, user)
    epoch = await _start(pool, call_id)
    await _let_time_pass(pool, call_id, 500)
    _, seconds, granted = await _settle(pool, call_id, epoch, 300)

    billed = await _close(pool, call_id, epoch, 300)

    assert (held.granted_seconds, seconds, granted, billed) == (69, 69, 69, 69)
    balance, reserved, debt = await _money(pool, user)
    assert (reserved, debt) == (0, 0)
    assert 0 <= balance < 1_000_000_000 // 60 + 1


async def test_a_top_up_extends_the_running_call(pool: Pool) -> None:
    user = await _account(pool, whole_credits=1_000)
    call_id, held = await _authorize(pool, user)
    epoch = await _start(pool, call_id)
    await _let_time_pass(pool, call_id, 100)
    _, _, before = await _settle(pool, call_id, epoch, 50)
    await _top_up(pool, user, from_credits(5_000), "t")

    _, _, after = await _settle(pool, call_id, epoch, 51)

    assert held.granted_seconds == before == 60
    assert after == 51 + SETTINGS.grant_seconds


async def test_a_free_caller_gets_300_seconds_in_total_by_the_grant_itself(pool: Pool) -> None:
    user = await _account(pool)
    first, held = await _authorize(pool, user)
    epoch = await _start(pool, first)
    await _settle(pool, first, epoch, 0)
    await _let_time_pass(pool, first, 1_000)
    for upto in range(10, 250, 10):
        await _settle(pool, first, epoch, upto)
    billed = await _close(pool, first, epoch, 250)

    second, held_again = await _authorize(pool, user)

    assert (billed, held.max_seconds) == (250, 300)
    assert (held_again.granted_seconds, held_again.max_seconds) == (50, 50)
    epoch = await _start(pool, second)
    await _let_time_pass(pool, second, 1_000)
    assert await _close(pool, second, epoch, 400) == 50
    with pytest.raises(FreeLimitReached):
        await _authorize(pool, user)


async def test_paying_in_mid_call_lifts_the_free_limit(pool: Pool) -> None:
    user = await _account(pool)
    call_id, _ = await _authorize(pool, user)
    epoch = await _start(pool, call_id)
    await _settle(pool, call_id, epoch, 0)
    await _let_time_pass(pool, call_id, 1_000)
    for upto in range(10, 300, 10):
        _, _, granted = await _settle(pool, call_id, epoch, upto)
    assert granted == 300
    await _top_up(pool, user, from_credits(10_000), "t")

    _, _, granted = await _settle(pool, call_id, epoch, 299)

    assert granted == 299 + SETTINGS.grant_seconds


async def test_a_dispute_stops_new_grants_but_not_the_running_one(pool: Pool) -> None:
    user = await _account(pool, whole_credits=10_000)
    await _top_up(pool, user, from_credits(1), "paid")
    call_id, held = await _authorize(pool, user)
    epoch = await _start(pool, call_id)
    await _let_time_pass(pool, call_id, 1_000)
    async with transaction(pool) as tx:
        await ledger.post(
            tx,
            user_id=user,
            amount=MicroCredits(-from_credits(50_000)),
            kind="dispute",
            source="test",
            source_id="d",
        )

    _, seconds, granted = await _settle(pool, call_id, epoch, 100)

    assert (seconds, granted) == (100, held.granted_seconds)
    with pytest.raises(InsufficientCredits):
        await _authorize(pool, user)


async def test_a_second_job_is_refused_while_the_first_is_alive(pool: Pool) -> None:
    user = await _account(pool)
    call_id, _ = await _authorize(pool, user)
    epoch = await _start(pool, call_id, job="one")

    assert await _start(pool, call_id, job="one") == epoch
    with pytest.raises(CallTaken):
        await _start(pool, call_id, job="two")


async def test_a_taken_over_call_fences_its_old_agent(pool: Pool) -> None:
    user = await _account(pool)
    call_id, _ = await _authorize(pool, user)
    old = await _start(pool, call_id, job="one")
    await _settle(pool, call_id, old, 1)
    async with transaction(pool) as tx:
        await tx.execute("update call_sessions set last_seen_at = last_seen_at - interval '1 min'")
    new = await _start(pool, call_id, job="two")

    standing, seconds, _ = await _settle(pool, call_id, old, 3)

    assert new == old + 1
    assert (standing, seconds) == (Standing.FENCED, 1)
    with pytest.raises(Fenced):
        await _close(pool, call_id, old, 3)


async def test_after_the_close_nothing_changes_money(pool: Pool) -> None:
    user = await _account(pool)
    call_id, _ = await _authorize(pool, user)
    epoch = await _start(pool, call_id)
    await _let_time_pass(pool, call_id, 100)
    await _close(pool, call_id, epoch, 7)
    after_close = await _money(pool, user)

    standing, _, _ = await _settle(pool, call_id, epoch, 50)

    assert standing is Standing.CLOSED
    assert await _close(pool, call_id, epoch, 50) == 7
    assert await _close(pool, call_id, None, 50) == 7
    assert await _money(pool, user) == after_close
    with pytest.raises(CallClosed):
        await _start(pool, call_id, job="late")


async def test_an_unanswered_call_gives_way_after_ten_seconds(pool: Pool) -> None:
    """Reloading the page must not lock the caller out for a minute."""
    user = await _account(pool)
    first, _ = await _authorize(pool, user)
    with pytest.raises(ActiveCall):
        await _authorize(pool, user)
    async with transaction(pool) as tx:
        await tx.execute(
            "update call_sessions set authorized_at = authorized_at - interval '11 seconds'"
        )

    _, held = await _authorize(pool, user)

    assert held.superseded == [first]


async def test_the_ledger_cannot_be_rewritten(pool: Pool) -> None:
    await _account(pool)

    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="append-only"):
        async with transaction(pool) as tx:
            await tx.execute("update credit_transactions set amount = 0")
