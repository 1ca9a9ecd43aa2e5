"""SQL of cloned voices and the recordings they come from."""

from dataclasses import dataclass
from uuid import UUID

from shared.db import Tx

FIND_LIVE = """
select v.id, v.name, v.model, v.language, v.version, v.reference_key
from clone_references r join voices v on v.id = r.voice_id
where r.user_id = $1 and r.consent_id is not distinct from $2 and r.recording_sha256 = $3
  and r.model = $4 and r.language = $5 and r.ended_at is null
  and r.expires_at > clock_timestamp() and v.disabled_at is null
"""

COUNT_LIVE = """
select count(*) from clone_references
where user_id = $1 and consent_id is not distinct from $2 and ended_at is null
"""

INSERT_VOICE = """
insert into voices(
  id, user_id, name, model, feature, language, description, reference_key, consent_id)
values ($1, $2, $3, $4, 'tts', $5, $6, $7, $8)
"""

INSERT_REFERENCE = """
insert into clone_references(
  voice_id, user_id, consent_id, recording_sha256, model, language, expires_at)
values ($1, $2, $3, $4, $5, $6, clock_timestamp() + make_interval(days => $7))
"""

VOICES_OF_CONSENT = """
select id from voices where user_id = $1 and consent_id = $2 and disabled_at is null
order by id for update
"""

OWN_CLONE = """
select v.id from voices v join clone_references r on r.voice_id = v.id
where v.id = $1 and v.user_id = $2 and r.ended_at is null for update of v
"""

EXPIRED = """
select r.voice_id from clone_references r join voices v on v.id = r.voice_id
where r.ended_at is null and (r.expires_at < clock_timestamp() or exists (
  select from consent_entries e where e.consent_id = r.consent_id and e.kind = 'given'
    and e.expires_at < clock_timestamp()))
order by r.expires_at limit $1 for update of v skip locked
"""

# Of nobody's voice but a clone: the join keeps a wrong id from disabling a public one.
RETIRE = """
with gone as (
  update clone_references set ended_at = clock_timestamp(), end_reason = $2
  where voice_id = any($1) and ended_at is null returning voice_id),
loose as (
  insert into loose_objects(object_key, sweep_after)
  select v.reference_key, clock_timestamp() from voices v join gone on gone.voice_id = v.id
  where v.reference_key is not null
  on conflict (object_key) do update set sweep_after = excluded.sweep_after
  returning object_key),
disabled as (
  update voices v set disabled_at = coalesce(v.disabled_at, clock_timestamp()), reference_key = null
  from gone where v.id = gone.voice_id)
select object_key from loose
"""

# As `audio_objects.purge_voice`, and which objects they were.
PURGE_AUDIO = """
with gone as (delete from audio_objects where voice_id = any($1) returning object_key)
insert into loose_objects(object_key, sweep_after) select object_key, clock_timestamp() from gone
returning object_key
"""


@dataclass(frozen=True, slots=True)
class Clone:
    """A cloned voice that can be used. `language` is a provider's language."""

    id: UUID
    name: str
    model: str
    language: str
    version: int
    reference_key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """What a clone is made of; two clones with equal origins are one."""

    owner: UUID
    consent_id: UUID | None
    recording_sha256: str
    model: str
    language: str


async def find_live(tx: Tx, origin: Origin) -> Clone | None:
    """The usable voice of this origin."""
    row = await tx.fetchrow(
        FIND_LIVE,
        origin.owner,
        origin.consent_id,
        origin.recording_sha256,
        origin.model,
        origin.language,
    )
    return Clone(**row) if row else None


async def count_live(tx: Tx, *, owner: UUID, consent_id: UUID | None) -> int:
    """Voices made with one consent whose recordings are still kept."""
    count: int = await tx.fetchval(COUNT_LIVE, owner, consent_id)
    return count


async def insert(
    tx: Tx, clone: Clone, origin: Origin, *, description: str, reference_days: int
) -> None:
    """The voice with its recording, kept for `reference_days`."""
    await tx.execute(
        INSERT_VOICE,
        clone.id,
        origin.owner,
        clone.name,
        clone.model,
        clone.language,
        description,
        clone.reference_key,
        origin.consent_id,
    )
    await tx.execute(
        INSERT_REFERENCE,
        clone.id,
        origin.owner,
        origin.consent_id,
        origin.recording_sha256,
        origin.model,
        origin.language,
        reference_days,
    )


async def lock_voices_of_consent(tx: Tx, *, owner: UUID, consent_id: UUID) -> list[UUID]:
    return [row["id"] for row in await tx.fetch(VOICES_OF_CONSENT, owner, consent_id)]


async def lock_own_clone(tx: Tx, voice_id: UUID, *, owner: UUID) -> bool:
    """False when the account has no such clone (any more)."""
    return await tx.fetchval(OWN_CLONE, voice_id, owner) is not None


async def lock_expired(tx: Tx, *, limit: int) -> list[UUID]:
    """Voices whose recording was kept long enough, or whose consent has run out."""
    return [row["voice_id"] for row in await tx.fetch(EXPIRED, limit)]


async def retire(tx: Tx, voice_ids: list[UUID], *, reason: str) -> list[str]:
    """Disable clones and let go of their recordings, whose keys are returned."""
    return [row["object_key"] for row in await tx.fetch(RETIRE, voice_ids, reason)]


async def purge_audio(tx: Tx, voice_ids: list[UUID]) -> list[str]:
    """Give up all audio made with these voices; the keys of the objects to delete."""
    return [row["object_key"] for row in await tx.fetch(PURGE_AUDIO, voice_ids)]
