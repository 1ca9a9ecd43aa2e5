"""SQL of consents: those that were begun, and the chained record of those given and withdrawn."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from control_plane.cloning.chain import Entry
from shared.db import Tx

LOCK_ACCOUNT = "select id from profiles where id = $1 for no key update"

COUNT_OPEN = """
select count(*) from consent_challenges where user_id = $1 and expires_at > clock_timestamp()
"""

INSERT_CHALLENGE = """
insert into consent_challenges(
  id, user_id, whose, speaker_statement, statement_version, phrase, expires_at)
values ($1, $2, $3, $4, $5, $6, clock_timestamp() + make_interval(secs => $7)) returning expires_at
"""

TAKE_ATTEMPT = """
update consent_challenges set attempts = attempts + 1
where id = $1 and user_id = $2 and attempts < $3 and expires_at > clock_timestamp()
returning id, whose, speaker_statement, statement_version, phrase
"""

GIVE_BACK_ATTEMPT = """
update consent_challenges set attempts = attempts - 1
where id = $1 and user_id = $2 and attempts > 0
"""

HAS_CHALLENGE = "select true from consent_challenges where id = $1 and user_id = $2"

DELETE_CHALLENGE = "delete from consent_challenges where id = $1 and user_id = $2"

PURGE_CHALLENGES = """
delete from consent_challenges where expires_at < clock_timestamp() - make_interval(secs => $1)
"""

CHAIN_END = """
select clock_timestamp() as now, coalesce(max(sequence), 0) as sequence,
  (array_agg(hash order by sequence desc))[1] as hash
from consent_entries where user_id = $1
"""

INSERT_ENTRY = """
insert into consent_entries(
  user_id, sequence, kind, consent_id, expires_at, body, hash, previous_hash, created_at)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9)
"""

LIST_ENTRIES = """
select user_id, sequence, kind, consent_id, body, hash, previous_hash from consent_entries
where user_id = $1 order by sequence limit $2
"""

STANDING = """
select g.consent_id, g.expires_at > clock_timestamp() as is_in_time,
  exists (select from consent_entries r where r.consent_id = g.consent_id and r.kind = 'revoked')
    as is_revoked
from consent_entries g where g.consent_id = $1 and g.user_id = $2 and g.kind = 'given'
"""


@dataclass(frozen=True, slots=True)
class Challenge:
    """`speaker_statement` is "" for one's own voice."""

    id: UUID
    whose: str
    speaker_statement: str
    statement_version: int
    phrase: str


@dataclass(frozen=True, slots=True)
class ChainEnd:
    """The newest entry of an account; 0 and None when there is none. `now` is the database's."""

    now: datetime
    sequence: int
    hash: str | None


@dataclass(frozen=True, slots=True)
class Standing:
    """What a given consent is worth now."""

    consent_id: UUID
    is_in_time: bool
    is_revoked: bool


async def lock_account(tx: Tx, owner: UUID) -> None:
    """Whatever else is done with the account's consents waits for this transaction."""
    await tx.execute(LOCK_ACCOUNT, owner)


async def count_open(tx: Tx, owner: UUID) -> int:
    count: int = await tx.fetchval(COUNT_OPEN, owner)
    return count


async def insert_challenge(tx: Tx, challenge: Challenge, *, owner: UUID, ttl_s: float) -> datetime:
    """When it ends."""
    expires_at: datetime = await tx.fetchval(
        INSERT_CHALLENGE,
        challenge.id,
        owner,
        challenge.whose,
        challenge.speaker_statement,
        challenge.statement_version,
        challenge.phrase,
        ttl_s,
    )
    return expires_at


async def take_attempt(
    tx: Tx, challenge_id: UUID, *, owner: UUID, attempts_max: int
) -> Challenge | None:
    """None when it has ended, was tried too often, or never was this account's."""
    row = await tx.fetchrow(TAKE_ATTEMPT, challenge_id, owner, attempts_max)
    return Challenge(**row) if row else None


async def give_back_attempt(tx: Tx, challenge_id: UUID, *, owner: UUID) -> None:
    await tx.execute(GIVE_BACK_ATTEMPT, challenge_id, owner)


async def has_challenge(tx: Tx, challenge_id: UUID, *, owner: UUID) -> bool:
    """Also of one that has ended."""
    return await tx.fetchval(HAS_CHALLENGE, challenge_id, owner) is not None


async def delete_challenge(tx: Tx, challenge_id: UUID, *, owner: UUID) -> bool:
    """False when it is not there (any more)."""
    return str(await tx.execute(DELETE_CHALLENGE, challenge_id, owner)) == "DELETE 1"


async def purge_challenges(tx: Tx, *, ended_for_s: float) -> None:
    await tx.execute(PURGE_CHALLENGES, ended_for_s)


async def chain_end(tx: Tx, owner: UUID) -> ChainEnd:
    row = await tx.fetchrow(CHAIN_END, owner)
    assert row is not None, "an aggregate has one row"
    return ChainEnd(**row)


async def append(tx: Tx, entry: Entry, *, at: datetime, expires_at: datetime | None = None) -> None:
    """Under `lock_account`, right after `chain_end`."""
    await tx.execute(
        INSERT_ENTRY,
        entry.user_id,
        entry.sequence,
        entry.kind,
        entry.consent_id,
        expires_at,
        entry.body,
        entry.hash,
        entry.previous_hash,
        at,
    )


async def list_entries(tx: Tx, owner: UUID, *, limit: int) -> list[Entry]:
    """The account's record, oldest first."""
    return [Entry(**row) for row in await tx.fetch(LIST_ENTRIES, owner, limit)]


async def standing_of(tx: Tx, consent_id: UUID, *, owner: UUID) -> Standing | None:
    """None for a consent that this account never gave."""
    row = await tx.fetchrow(STANDING, consent_id, owner)
    return Standing(**row) if row else None
