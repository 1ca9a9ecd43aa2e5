"""Both checks of the books, the one each minute and the nightly one, see money in that is wrong."""

import pytest

from billing import audit, ledger
from billing.money import from_credits
from billing.store import health
from shared.db import transaction
from tests.integration.plan_desk import Club, club, shop, stripe_fake
from tests.web_process import Caller

__all__ = ["club", "shop", "stripe_fake"]

P1 = "P1 a payment posted what the ledger has"
S1 = "S1 an invoice posted what the ledger has"
S2 = "S2 an invoice gave what its lines say"
A1 = "A1 the audit log is one chain"
A2 = "A2 what an operator posted is in the audit log"


async def _shop_with_everything(club: Club) -> Caller:
    """A top-up, a month, and a gift of an operator."""
    member = await club.member()
    await club.shop.bought(member)
    await club.subscribed(member)
    user_id = member.account.user_id
    async with transaction(club.shop.web.app.state.services.pool) as tx:
        await ledger.post(
            tx,
            user_id=user_id,
            amount=from_credits(5),
            kind="promo",
            source="operator",
            source_id="a gift",
        )
        for number in range(2):
            await audit.record(
                tx,
                actor="test",
                action="grant",
                user_id=user_id,
                reason="a test",
                details={"number": number},
                posting="a gift" if number == 0 else None,
            )
    return member


async def _seen(club: Club, harm: str) -> list[set[str]]:
    """The invariants that each check finds broken after `harm`, which is then undone."""
    undone = club.db.transaction()
    await undone.start()
    try:
        await club.db.execute("alter table audit_log disable trigger audit_log_append_only")
        await club.db.execute(harm)
        return [
            {it.invariant for it in await health.violations(club.db, limit=20)},
            {it.invariant for it in await health.recent_violations(club.db, since_s=60, limit=20)},
        ]
    finally:
        await undone.rollback()


@pytest.mark.parametrize(
    ("harm", "invariant"),
    [
        ("update payments set posted = posted + 1, posted_grant = posted_grant + 1", P1),
        ("update payments set version = version + 1", P1),
        ("update subscription_invoices set version = 1", S1),
        ("update subscription_invoices set credits = credits + 1", S2),
        ("update audit_log set previous_hash = repeat('1', 64) where sequence = 2", A1),
        ("delete from audit_log where sequence = 1", A1),
        ("update audit_log set posting = null", A2),
    ],
)
async def test_both_checks_see_it(club: Club, harm: str, invariant: str) -> None:
    await _shop_with_everything(club)
    assert await _seen(club, "select 1") == [set(), set()]
    assert all(invariant in found for found in await _seen(club, harm))
