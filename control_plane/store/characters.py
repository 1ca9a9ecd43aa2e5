"""SQL of characters: everybody's and one's own. No statement returns another account's."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from shared.db import Tx

LIST = """
select c.id, c.user_id is null as is_public, c.prompt_id, c.voice_id, v.name as voice_name,
  v.sample_url, c.name, c.localized_descriptions, c.session_config, c.image, c.sort_order,
  c.is_adult, c.prompt, c.localized_prompts
from characters c join voices v on v.id = c.voice_id
where (c.user_id is null or c.user_id = $1) and ($3 or not c.is_adult)
order by c.user_id nulls first, c.sort_order, c.id limit $2
"""

FIND = """
select c.id, c.user_id is null as is_public, c.prompt_id, c.voice_id, v.name as voice_name,
  v.sample_url, c.name, c.localized_descriptions, c.session_config, c.image, c.sort_order,
  c.is_adult, c.prompt, c.localized_prompts
from characters c join voices v on v.id = c.voice_id
where c.id = $1 and (c.user_id is null or c.user_id = $2)
"""

COUNT = "select count(*) from characters where user_id = $1"

INSERT = """
insert into characters(id, user_id, prompt_id, voice_id, name, localized_descriptions,
  session_config, sort_order, is_adult, prompt, localized_prompts)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
"""

UPDATE = """
update characters set voice_id = $3, name = $4, localized_descriptions = $5, session_config = $6,
  is_adult = $7, prompt = $8, localized_prompts = $9, updated_at = clock_timestamp()
where id = $1 and user_id = $2 returning id
"""

DELETE = "delete from characters where id = $1 and user_id = $2 returning id"

FLAG_PUBLIC = """
update characters set is_adult = $2, updated_at = clock_timestamp()
where id = $1 and user_id is null returning id
"""


@dataclass(frozen=True, slots=True)
class Character:
    """`prompt` is None for a public one: its prompt is a text of the service."""

    id: UUID
    is_public: bool
    prompt_id: UUID
    voice_id: UUID
    voice_name: str
    sample_url: str | None
    name: str
    localized_descriptions: dict[str, str]
    session_config: dict[str, Any]
    image: str | None
    sort_order: int
    is_adult: bool
    prompt: str | None
    localized_prompts: dict[str, str] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """What an owner may write."""

    voice_id: UUID
    name: str
    localized_descriptions: dict[str, str]
    session_config: dict[str, Any]
    is_adult: bool
    prompt: str
    localized_prompts: dict[str, str]


async def list_for(tx: Tx, *, owner: UUID, limit: int, with_adult: bool) -> list[Character]:
    """Everybody's, then one's own; those for adults only `with_adult`."""
    return [Character(**row) for row in await tx.fetch(LIST, owner, limit, with_adult)]


async def find(tx: Tx, character_id: UUID, *, owner: UUID) -> Character | None:
    """A public one or one's own."""
    row = await tx.fetchrow(FIND, character_id, owner)
    return Character(**row) if row else None


async def count(tx: Tx, owner: UUID) -> int:
    number: int = await tx.fetchval(COUNT, owner)
    return number


async def insert(
    tx: Tx, *, character_id: UUID, prompt_id: UUID, owner: UUID, sort_order: int, draft: Draft
) -> None:
    await tx.execute(
        INSERT,
        character_id,
        owner,
        prompt_id,
        draft.voice_id,
        draft.name,
        draft.localized_descriptions,
        draft.session_config,
        sort_order,
        draft.is_adult,
        draft.prompt,
        draft.localized_prompts,
    )


async def update(tx: Tx, *, character_id: UUID, owner: UUID, draft: Draft) -> bool:
    changed = await tx.fetchval(
        UPDATE,
        character_id,
        owner,
        draft.voice_id,
        draft.name,
        draft.localized_descriptions,
        draft.session_config,
        draft.is_adult,
        draft.prompt,
        draft.localized_prompts,
    )
    return changed is not None


async def delete(tx: Tx, *, character_id: UUID, owner: UUID) -> bool:
    return await tx.fetchval(DELETE, character_id, owner) is not None


async def flag_public(tx: Tx, *, character_id: UUID, is_adult: bool) -> bool:
    """False: there is no such public character."""
    return await tx.fetchval(FLAG_PUBLIC, character_id, is_adult) is not None
