"""Accounts with lots, for tests: each step a transaction of its own, amounts in whole credits."""

from datetime import datetime
from uuid import UUID

from billing import charging, ledger, lots
from billing.accounts import account_for
from billing.money import MICRO, from_credits
from shared.call_protocol import CallReport, Grant
from shared.db import transaction
from shared.ids import new_uuid
from tests.integration.charge_desk import Desk
from tests.integration.priced_work import SETTINGS


class LotDesk(Desk):
    async def empty_account(self) -> UUID:
        async with transaction(self.pool) as tx:
            profile = await account_for(
                tx, issuer="test", subject=str(new_uuid()), email=None, signup_credits=0
            )
        return profile.id

    async def grant(
        self,
        user: UUID,
        whole_credits: int,
        kind: str = "topup",
        *,
        key: str | None = None,
        ends: datetime | None = None,
    ) -> bool:
        """`key` as a payment's: charge and version."""
        async with transaction(self.pool) as tx:
            return await ledger.post(
                tx,
                user_id=user,
                amount=from_credits(whole_credits),
                kind=kind,
                source="stripe" if key else "test",
                source_id=key or str(new_uuid()),
                expires_at=ends,
            )

    async def lots(self, user: UUID) -> list[tuple[str, int]]:
        """Kind and what is left, in burn order."""
        async with transaction(self.pool) as tx:
            return [(lot.kind, lot.remaining // MICRO) for lot in await lots.open_lots_of(tx, user)]

    async def end_lots(self, user: UUID, kind: str) -> None:
        """The time of these lots is over."""
        await self.pool.execute(
            "update credit_lots set expires_at = clock_timestamp() - interval '1 second' "
            "where user_id = $1 and kind = $2 and expires_at > clock_timestamp()",
            user,
            kind,
        )

    async def expiries(self, user: UUID) -> list[int]:
        """The ledger's rows of expired credit."""
        rows = await self.pool.fetch(
            "select amount from credit_transactions where user_id = $1 and kind = 'expiry' "
            "order by id",
            user,
        )
        return [row["amount"] // MICRO for row in rows]

    async def report(self, call_id: UUID, epoch: int, seconds: int) -> Grant:
        async with transaction(self.pool) as tx:
            [grant] = await charging.settle(
                tx, [CallReport(id=call_id, epoch=epoch, seconds=seconds)], SETTINGS
            )
        return grant
