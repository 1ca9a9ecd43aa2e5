"""What a program does with charges, for tests."""

import hashlib
from dataclasses import dataclass
from uuid import UUID

from billing import generation_charges as charges
from billing import ledger
from billing.generation_charges import (
    ReleaseReason,
    Reservation,
)
from billing.money import MICRO, from_credits
from billing.store.generation_charges import Charge
from shared.db import Pool, transaction
from shared.ids import new_uuid
from tests.integration.priced_work import rich_account


@dataclass
class Money:
    balance: int
    reserved: int
    debt: int


class Desk:
    """What a program does with charges, each step a transaction of its own."""

    def __init__(self, pool: Pool) -> None:
        self.pool = pool

    async def account(self, whole_credits: int, subject: str = "someone") -> UUID:
        user = await rich_account(self.pool, subject)
        await self.post(user, whole_credits - 100_000, "set")
        return user

    async def post(self, user: UUID, whole_credits: int, key: str) -> None:
        async with transaction(self.pool) as tx:
            await ledger.post(
                tx,
                user_id=user,
                amount=from_credits(whole_credits),
                kind="adjust",
                source="test",
                source_id=f"{user}:{key}",
            )

    async def reserve(
        self,
        user: UUID,
        quantity: int,
        *,
        key: str | None = None,
        request: str = "hello",
        model: str = "local",
    ) -> Reservation:
        async with transaction(self.pool) as tx:
            return await charges.reserve(
                tx,
                user_id=user,
                idempotency_key=key or str(new_uuid()),
                request_sha256=hashlib.sha256(request.encode()).digest(),
                product="speech",
                model=model,
                quantity_max=quantity,
            )

    async def settle(self, charge: Charge, quantity: int, model: str | None = None) -> Charge:
        async with transaction(self.pool) as tx:
            return await charges.settle(tx, charge_id=charge.id, quantity=quantity, model=model)

    async def release(self, charge: Charge) -> Charge:
        async with transaction(self.pool) as tx:
            return await charges.release(tx, charge_id=charge.id, reason=ReleaseReason.FAILED)

    async def expire(self, limit: int = 500) -> list[Charge]:
        async with transaction(self.pool) as tx:
            return await charges.expire(tx, limit=limit)

    async def make_overdue(self) -> None:
        await self.pool.execute(
            "update generation_charges set expires_at = clock_timestamp() - interval '1 second' "
            "where state = 'reserved'"
        )

    async def money(self, user: UUID) -> Money:
        async with transaction(self.pool) as tx:
            balance = await ledger.balance_of(tx, user)
        return Money(balance.balance // MICRO, balance.reserved // MICRO, balance.debt // MICRO)

    async def violations(self) -> set[str]:
        rows = await self.pool.fetch("select invariant from invariant_violations")
        return {row["invariant"] for row in rows}
