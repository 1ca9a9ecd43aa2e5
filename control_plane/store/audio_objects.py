"""SQL of stored audio: every object has a row, among `audio_objects` or the loose ones."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from control_plane.audio.port import AudioFacts, AudioFormat
from shared.db import Tx

FIND_CACHED = """
select o.object_key, o.audio_format, o.duration_ms, o.size_bytes, o.provider_model,
  o.input_characters
from audio_objects o
join voices v on v.id = o.voice_id and v.version = o.voice_version and v.disabled_at is null
where o.digest = $1 and o.is_cached and (o.owner is null or o.owner = $2)
"""

FIND_OF_CHARGE = """
select o.object_key, o.audio_format, o.duration_ms, o.size_bytes, o.provider_model,
  o.input_characters
from audio_files f join audio_objects o on o.object_key = f.object_key
where f.charge_id = $1 and f.user_id = $2
"""

# Nothing when the digest has its cached object already.
INSERT = """
insert into audio_objects(object_key, digest, is_cached, audio_format, size_bytes, duration_ms,
  codec, sample_rate_hz, channels, peak_dbfs, loudness_lufs, provider, provider_model, voice_id,
  voice_version, owner, input_characters, expires_at)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17,
  clock_timestamp() + make_interval(days => $18))
on conflict (digest) where is_cached do nothing returning object_key
"""

LOOSEN = """
insert into loose_objects(object_key, charge_id, sweep_after)
values ($1, $2, clock_timestamp() + make_interval(secs => $3))
"""

FASTEN = "delete from loose_objects where object_key = $1"

# A charge that is still open may yet settle; its object stays. After a release it never can.
DUE = """
select l.object_key from loose_objects l
where l.sweep_after < clock_timestamp() and not exists (
  select from generation_charges g where g.id = l.charge_id and g.state = 'reserved')
order by l.sweep_after limit $1
"""

FORGET = "delete from loose_objects where object_key = any($1::text[])"

# An object that a history refers to stays, also where the entry is deleted: that can be undone.
RETIRE = """
with due as (
  select o.object_key from audio_objects o
  where o.expires_at < clock_timestamp()
    and not exists (select from audio_files f where f.object_key = o.object_key)
  order by o.expires_at limit $1 for update skip locked),
gone as (delete from audio_objects where object_key in (select object_key from due)
  returning object_key)
insert into loose_objects(object_key, sweep_after)
select object_key, clock_timestamp() + make_interval(secs => $2) from gone
returning object_key
"""

PURGE_VOICE = """
with gone as (delete from audio_objects where voice_id = $1 returning object_key)
insert into loose_objects(object_key, sweep_after) select object_key, clock_timestamp() from gone
returning object_key
"""


@dataclass(frozen=True, slots=True)
class KnownAudio:
    """What is needed to hand out stored audio."""

    object_key: str
    audio_format: AudioFormat
    duration_ms: int
    size_bytes: int
    provider_model: str
    input_characters: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NewAudio:
    """An object that was stored. `owner` is set where only that account may hear the voice."""

    object_key: str
    digest: bytes
    is_cached: bool
    audio_format: AudioFormat
    size_bytes: int
    facts: AudioFacts
    provider: str
    provider_model: str
    voice_id: UUID
    voice_version: int
    owner: UUID | None
    input_characters: int
    keep_days: int


async def find_cached(tx: Tx, *, digest: bytes, listener: UUID) -> KnownAudio | None:
    """What was made before, if `listener` may hear its voice."""
    return _known(await tx.fetchrow(FIND_CACHED, digest, listener))


async def find_of_charge(tx: Tx, *, charge_id: UUID, owner: UUID) -> KnownAudio | None:
    """None when the audio was purged, too."""
    return _known(await tx.fetchrow(FIND_OF_CHARGE, charge_id, owner))


async def insert(tx: Tx, audio: NewAudio) -> bool:
    """False when another object is the cached one of this digest; nothing is changed then."""
    inserted = await tx.fetchval(
        INSERT,
        audio.object_key,
        audio.digest,
        audio.is_cached,
        audio.audio_format,
        audio.size_bytes,
        audio.facts.duration_ms,
        audio.facts.codec,
        audio.facts.sample_rate_hz,
        audio.facts.channels,
        audio.facts.peak_dbfs,
        audio.facts.loudness_lufs,
        audio.provider,
        audio.provider_model,
        audio.voice_id,
        audio.voice_version,
        audio.owner,
        audio.input_characters,
        audio.keep_days,
    )
    return inserted is not None


async def loosen(
    tx: Tx, *, object_key: str, sweep_in_s: float, charge_id: UUID | None = None
) -> None:
    """Announce an object before it is written, or give one up: it is deleted in `sweep_in_s`."""
    await tx.execute(LOOSEN, object_key, charge_id, sweep_in_s)


async def fasten(tx: Tx, object_key: str) -> None:
    """The object is known by another row of this transaction; nobody sweeps it any more."""
    await tx.execute(FASTEN, object_key)


async def due(tx: Tx, *, limit: int) -> list[str]:
    """Keys of objects to delete from the store; then `forget` them."""
    return [row["object_key"] for row in await tx.fetch(DUE, limit)]


async def forget(tx: Tx, object_keys: Sequence[str]) -> None:
    await tx.execute(FORGET, list(object_keys))


async def retire(tx: Tx, *, limit: int, sweep_in_s: float) -> int:
    """Give up expired audio that no history refers to; how much it was."""
    return len(await tx.fetch(RETIRE, limit, sweep_in_s))


async def purge_voice(tx: Tx, voice_id: UUID) -> int:
    """Give up all audio of a voice, whoever has it; how much it was. Histories keep their rows."""
    return len(await tx.fetch(PURGE_VOICE, voice_id))


def _known(row: object) -> KnownAudio | None:
    if row is None:
        return None
    values = dict(row)  # type: ignore[call-overload]  # asyncpg.Record is generic in stubs only
    return KnownAudio(**{**values, "audio_format": AudioFormat(values["audio_format"])})
