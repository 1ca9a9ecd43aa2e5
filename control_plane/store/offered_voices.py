"""SQL of the voices a program may choose from, and of an account's last payment."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from shared.db import Tx

LIST = """
select id, name, model, language, user_id is not null as is_own from voices
where feature = 'tts' and disabled_at is null and not is_nsfw
  and (user_id = $1 or (user_id is null and is_public))
order by user_id nulls first, sort_order, name, id limit $2
"""

LIST_PUBLIC = """
select id, name, model, language, false as is_own from voices
where feature = 'tts' and disabled_at is null and not is_nsfw and user_id is null and is_public
order by sort_order, name, id limit $1
"""

NAMES_OF_MODEL = """
select name from voices
where feature = 'tts' and disabled_at is null and model = $1 and user_id is null and is_public
order by sort_order, name, id limit $2
"""

LAST_CHANGE = "select max(created_at) from credit_transactions where user_id = $1"

LAST_PAYMENT = """
select id, kind, amount, reason, source_id, created_at from credit_transactions
where user_id = $1 and kind in ('topup', 'subscription_grant') order by id desc limit 1
"""


@dataclass(frozen=True, slots=True)
class OfferedVoice:
    """`model` is what `catalog.model_of_voice` understands."""

    id: UUID
    name: str
    model: str
    language: str
    is_own: bool


@dataclass(frozen=True, slots=True)
class Payment:
    """`amount` in micro-credits."""

    id: int
    kind: str
    amount: int
    reason: str | None
    source_id: str
    created_at: datetime


async def list_voices(tx: Tx, *, owner: UUID, limit: int) -> list[OfferedVoice]:
    """Everybody's voices, then one's own."""
    return [OfferedVoice(**row) for row in await tx.fetch(LIST, owner, limit)]


async def list_public(tx: Tx, *, limit: int) -> list[OfferedVoice]:
    return [OfferedVoice(**row) for row in await tx.fetch(LIST_PUBLIC, limit)]


async def names_of_model(tx: Tx, *, model: str, limit: int) -> list[str]:
    """Of everybody's voices, in their order."""
    return [row["name"] for row in await tx.fetch(NAMES_OF_MODEL, model, limit)]


async def last_change(tx: Tx, owner: UUID) -> datetime | None:
    """When the ledger of the account was written last."""
    changed: datetime | None = await tx.fetchval(LAST_CHANGE, owner)
    return changed


async def last_payment(tx: Tx, owner: UUID) -> Payment | None:
    row = await tx.fetchrow(LAST_PAYMENT, owner)
    return Payment(**row) if row else None
