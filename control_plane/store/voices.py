"""SQL of voices: everybody's and one's own."""

from dataclasses import dataclass
from uuid import UUID

from shared.db import Tx

FIND_CALL_VOICE = """
select id, name, description, language, feature from voices
where feature = 'call' and name = $1 and (user_id = $2 or (user_id is null and is_public))
order by user_id nulls last, id limit 1
"""

LIST_VOICES = """
select id, name, description, language, feature, model, is_public, is_nsfw, sample_url,
  sample_prompt, sort_order, type, user_id is not null as is_own
from voices
where ($1::text is null or feature = $1) and disabled_at is null
  and (user_id = $2 or (user_id is null and is_public))
order by feature, sort_order, name, id limit $3
"""


@dataclass(frozen=True, slots=True)
class Voice:
    id: UUID
    name: str
    description: str | None
    language: str
    feature: str


@dataclass(frozen=True, slots=True)
class ListedVoice:
    """A voice as upstream's pages know it. `model` is what the catalogue understands."""

    id: UUID
    name: str
    description: str | None
    language: str
    feature: str
    model: str
    is_public: bool
    is_nsfw: bool
    sample_url: str | None
    sample_prompt: str | None
    sort_order: int
    type: str | None
    is_own: bool


async def find_call_voice(tx: Tx, *, name: str, owner: UUID) -> Voice | None:
    row = await tx.fetchrow(FIND_CALL_VOICE, name, owner)
    return Voice(**row) if row else None


async def list_voices(tx: Tx, *, feature: str | None, owner: UUID, limit: int) -> list[ListedVoice]:
    return [ListedVoice(**row) for row in await tx.fetch(LIST_VOICES, feature, owner, limit)]
