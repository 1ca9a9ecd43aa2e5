"""SQL of voices to speak with, and of the standing of who wants to speak."""

from dataclasses import dataclass
from uuid import UUID

import asyncpg

from control_plane.speech.order import SpeechVoice
from shared.db import Tx

STANDING = """
select k.paid as is_paid, p.frozen_at is not null as is_frozen, f.longer_texts
from credits k join profiles p on p.id = k.user_id
cross join lateral account_plan_v1(k.user_id) f
where k.user_id = $1
"""

# One statement: it stands before every answer from the cache, which should cost next to nothing.
FIND = """
select k.paid as is_paid, p.frozen_at is not null as is_frozen, f.longer_texts, v.id,
  coalesce(v.provider_name, v.name) as name, v.model, v.language, v.version,
  v.user_id is not null as is_own, v.reference_key
from credits k join profiles p on p.id = k.user_id
cross join lateral account_plan_v1(k.user_id) f
left join voices v on v.id = $1 and v.feature = 'tts' and v.disabled_at is null
  and (v.user_id = k.user_id or (v.user_id is null and v.is_public))
where k.user_id = $2
"""

FIND_BY_NAME = """
select k.paid as is_paid, p.frozen_at is not null as is_frozen, f.longer_texts, v.id,
  coalesce(v.provider_name, v.name) as name, v.model, v.language, v.version,
  v.user_id is not null as is_own, v.reference_key
from credits k join profiles p on p.id = k.user_id
cross join lateral account_plan_v1(k.user_id) f
left join voices v on lower(v.name) = lower($1) and v.feature = 'tts' and v.disabled_at is null
  and ($2::text is null or v.model = $2)
  and (v.user_id = k.user_id or (v.user_id is null and v.is_public))
where k.user_id = $3
order by v.user_id nulls last, v.sort_order, v.id limit 1
"""

# Until the transaction ends, nobody disables it.
HOLD_USABLE = """
select id from voices
where id = $1 and version = $2 and disabled_at is null and (user_id is null or user_id = $3)
for share
"""


@dataclass(frozen=True, slots=True)
class Standing:
    """`is_paid`: money of it is with us. A frozen account starts nothing that costs."""

    is_paid: bool
    is_frozen: bool
    longer_texts: bool


@dataclass(frozen=True, slots=True)
class Speaker:
    """An account and the voice it asked for, None when it may not use such a voice."""

    standing: Standing
    voice: SpeechVoice | None


async def standing_of(tx: Tx, user_id: UUID) -> Standing | None:
    """None for an account that is gone."""
    row = await tx.fetchrow(STANDING, user_id)
    return Standing(**row) if row else None


async def find(tx: Tx, *, voice_id: UUID, owner: UUID) -> Speaker | None:
    """None for an account that is gone."""
    return _speaker(await tx.fetchrow(FIND, voice_id, owner))


async def find_by_name(tx: Tx, *, name: str, model: str | None, owner: UUID) -> Speaker | None:
    """As `find`; names are not case-sensitive, and one's own voice comes first."""
    return _speaker(await tx.fetchrow(FIND_BY_NAME, name, model, owner))


async def hold_usable(tx: Tx, voice: SpeechVoice, *, owner: UUID) -> bool:
    """Whether the voice may still be used as it was; it stays so until `tx` ends."""
    return await tx.fetchval(HOLD_USABLE, voice.id, voice.version, owner) is not None


def _speaker(row: asyncpg.Record | None) -> Speaker | None:
    if row is None:
        return None
    values = dict(row)
    standing = Standing(values.pop("is_paid"), values.pop("is_frozen"), values.pop("longer_texts"))
    return Speaker(standing, SpeechVoice(**values) if values["id"] else None)
