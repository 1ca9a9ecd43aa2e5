"""Accounts of the virtual callers: opened, topped up, disputed, and their calls authorized."""

import random
from dataclasses import dataclass, field
from uuid import UUID

import asyncpg

from billing import charging, ledger
from billing.accounts import account_for
from billing.money import MicroCredits, from_credits
from billing.settings import ChargingSettings
from control_plane.store import call_configs
from control_plane.store.call_configs import FrozenCall
from shared.db import Pool, Tx, transaction
from shared.errors import AppError
from shared.ids import new_call_id, new_uuid, room_name_of

TOPUP_SHARE = 0.8  # of the money moves; the rest are disputes
LATE = (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError)
VOICE = UUID("00000000-0000-4000-a000-000000000301")


@dataclass
class VirtualAccounts:
    """Every database trouble is answered with None or False: the storm goes on."""

    pool: Pool
    rng: random.Random
    settings: ChargingSettings = field(default_factory=ChargingSettings)
    users: list[UUID] = field(default_factory=list)

    async def open_one(self) -> UUID | None:
        """A paying account with credit for one to ten minutes."""
        whole = self.rng.choice([1_000, 1_001, 2_345, 10_000])
        try:
            async with transaction(self.pool) as tx:
                profile = await account_for(
                    tx, issuer="chaos", subject=str(new_uuid()), email=None, signup_credits=0
                )
                await self._post(tx, profile.id, from_credits(whole), "topup", "first")
        except LATE:
            return None
        self.users.append(profile.id)
        return profile.id

    async def authorize(self, user: UUID) -> tuple[UUID, int] | None:
        """A call and its first grant; None when refused or unreachable."""
        call_id = new_call_id()
        try:
            async with transaction(self.pool) as tx:
                held = await charging.authorize(
                    tx, call_id=call_id, user_id=user, settings=self.settings
                )
                await call_configs.insert(tx, _frozen(call_id))
        except (*LATE, AppError):
            return None
        return call_id, held.granted_seconds

    async def move_money(self) -> None:
        """A top-up or a dispute on some account, now and then one that came before."""
        if not self.users:
            return
        user = self.rng.choice(self.users)
        key = str(self.rng.randrange(50))
        try:
            async with transaction(self.pool) as tx:
                if self.rng.random() < TOPUP_SHARE:
                    amount = from_credits(self.rng.choice([100, 777, 5_000]))
                    await self._post(tx, user, amount, "topup", key)
                else:
                    amount = MicroCredits(-from_credits(self.rng.choice([50, 3_000])))
                    await self._post(tx, user, amount, "dispute", key)
        except LATE:
            return

    async def _post(self, tx: Tx, user: UUID, amount: MicroCredits, kind: str, key: str) -> None:
        await ledger.post(
            tx,
            user_id=user,
            amount=amount,
            kind=kind,
            source="chaos",
            source_id=f"{user}:{kind}:{key}",
        )


def _frozen(call_id: UUID) -> FrozenCall:
    return FrozenCall(
        call_id=call_id,
        room_name=room_name_of(call_id),
        plan="paid",
        model="virtual",
        voice_id=VOICE,
        voice="Ara",
        language="en",
        instructions="",
        greeting="",
        temperature=0.8,
        max_output_tokens=None,
        instructions_locked=False,
        free_call=False,
        character_id=None,
        character_name=None,
        prompt_version=None,
        scene_id=None,
        scene_modified=False,
        disclosure="",
        referral="",
    )
