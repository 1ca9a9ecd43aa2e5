"""SQL of telephone numbers, PINs and entries."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from shared.db import Tx

LIST_NUMBERS = """
select id, number, language, verified_at, code_expires_at, created_at
from phone_numbers where user_id = $1 order by created_at desc limit $2
"""

COUNT_NUMBERS = "select count(*)::int from phone_numbers where user_id = $1"

LOCK_ACCOUNT = "select 1 from profiles where id = $1 for no key update"

# Asked for again: a new code for a number that still waits, and nothing for one that is verified.
CLAIM = """
insert into phone_numbers(id, user_id, number, language, code, code_expires_at)
values ($1, $2, $3, $4, $5, clock_timestamp() + make_interval(secs => $6))
on conflict (user_id, number) do update set language = excluded.language,
  code = case when phone_numbers.verified_at is null then excluded.code end,
  code_expires_at = case when phone_numbers.verified_at is null then excluded.code_expires_at end,
  code_failures = 0
returning id, number, language, verified_at, code_expires_at, created_at
"""

REMOVE = "delete from phone_numbers where id = $1 and user_id = $2 returning true"

SET_PIN = """
insert into phone_pins(user_id, salt, hash) values ($1, $2, $3)
on conflict (user_id) do update set salt = excluded.salt, hash = excluded.hash, failures = 0,
  locked_until = null, set_at = clock_timestamp()
"""

PIN_IS_SET = "select exists (select from phone_pins where user_id = $1)"

FORGET_PIN = "delete from phone_pins where user_id = $1 returning true"

STANDING = """
select n.id as number_id, n.user_id, n.language, p.user_id is not null as has_pin,
  greatest(ceil(date_part('epoch', p.locked_until - clock_timestamp())), 0)::int as locked_s
from phone_numbers n left join phone_pins p using (user_id)
where n.number = $1 and n.verified_at is not null
"""

CLAIM_LANGUAGE = """
select language from phone_numbers where number = $1 and verified_at is null
  and code_expires_at > clock_timestamp() and code_failures < $2
order by created_at desc limit 1
"""

ATTEMPT = "select salt, hash, allowed, locked_s from phone_pin_attempt_v1($1, $2, $3, $4)"

PIN_WAS_RIGHT = """
update phone_pins set failures = 0, locked_until = null where user_id = $1 and hash = $2
returning true
"""

TAKE_CLAIM = "select id, user_id from phone_claim_v1($1, $2, $3)"

INSERT_ENTRY = """
insert into phone_entries(id, user_id, number_id, expires_at)
values ($1, $2, $3, clock_timestamp() + make_interval(secs => $4))
"""

# As long as they are kept: nothing was begun with these, perhaps because the caller was handed on.
UNUSED_ENTRIES = "select count(*)::int from phone_entries where user_id = $1 and used_at is null"

# Only while the number is still verified for that account: removing it ends what it had opened.
USE_ENTRY = """
update phone_entries e set used_at = clock_timestamp()
from phone_numbers n
where e.id = $1 and e.used_at is null and e.expires_at > clock_timestamp()
  and n.id = e.number_id and n.user_id = e.user_id and n.verified_at is not null
returning e.user_id, n.number, n.language
"""

PURGE_ENTRIES = """
delete from phone_entries where expires_at < clock_timestamp() - interval '1 day'
"""

# What the page's calls have by default is changed for one that came by telephone.
MARK_CALL = """
update call_configs set channel = 'phone', room_name = $2 where call_id = $1
"""

ROOM_OF = "select room_name, channel from call_configs where call_id = $1"

OPEN_ROOMS = """
select c.room_name from call_configs c join call_sessions s on s.id = c.call_id
where c.room_name = any($1) and s.state in ('authorized', 'active')
"""


@dataclass(frozen=True, slots=True)
class PhoneNumber:
    """A number of an account; `verified_at` None while its code was not entered yet."""

    id: UUID
    number: str
    language: str
    verified_at: datetime | None
    code_expires_at: datetime | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class KnownNumber:
    """Whose verified number it is. `locked_s` is above 0 while no PIN is taken."""

    number_id: UUID
    user_id: UUID
    language: str
    has_pin: bool
    locked_s: int


@dataclass(frozen=True, slots=True)
class Attempt:
    """`allowed` False: locked for `locked_s` more, and there is nothing to compare with."""

    salt: bytes | None
    hash: bytes | None
    allowed: bool
    locked_s: int


@dataclass(frozen=True, slots=True)
class Claim:
    id: UUID
    user_id: UUID


@dataclass(frozen=True, slots=True)
class Entry:
    user_id: UUID
    number: str
    language: str


@dataclass(frozen=True, slots=True)
class CallRoom:
    room_name: str
    channel: str


async def list_numbers(tx: Tx, *, owner: UUID, limit: int) -> list[PhoneNumber]:
    return [PhoneNumber(**row) for row in await tx.fetch(LIST_NUMBERS, owner, limit)]


async def count_numbers(tx: Tx, *, owner: UUID) -> int:
    """Under the account's lock, so that two requests count each other."""
    await tx.execute(LOCK_ACCOUNT, owner)
    count: int = await tx.fetchval(COUNT_NUMBERS, owner)
    return count


async def claim(
    tx: Tx, *, number_id: UUID, owner: UUID, number: str, language: str, code: str, ttl_s: int
) -> PhoneNumber:
    """The row, which may be verified already: then the code counts for nothing."""
    row = await tx.fetchrow(CLAIM, number_id, owner, number, language, code, ttl_s)
    assert row is not None, "insert or update returns its row"
    return PhoneNumber(**row)


async def remove(tx: Tx, *, number_id: UUID, owner: UUID) -> bool:
    return await tx.fetchval(REMOVE, number_id, owner) is not None


async def set_pin(tx: Tx, *, owner: UUID, salt: bytes, hash_: bytes) -> None:
    await tx.execute(SET_PIN, owner, salt, hash_)


async def pin_is_set(tx: Tx, *, owner: UUID) -> bool:
    is_set: bool = await tx.fetchval(PIN_IS_SET, owner)
    return is_set


async def forget_pin(tx: Tx, *, owner: UUID) -> bool:
    return await tx.fetchval(FORGET_PIN, owner) is not None


async def standing_of(tx: Tx, number: str) -> KnownNumber | None:
    row = await tx.fetchrow(STANDING, number)
    return KnownNumber(**row) if row else None


async def claim_language(tx: Tx, number: str, *, failures_max: int) -> str | None:
    """The language of an account that waits for this number; None when none does."""
    language: str | None = await tx.fetchval(CLAIM_LANGUAGE, number, failures_max)
    return language


async def count_attempt(
    tx: Tx, *, owner: UUID, free: int, lock_s: int, lock_max_s: int
) -> Attempt | None:
    """None without a PIN. The attempt is counted when `tx` commits, whatever it turns out to be."""
    row = await tx.fetchrow(ATTEMPT, owner, free, lock_s, lock_max_s)
    return Attempt(**row) if row else None


async def pin_was_right(tx: Tx, *, owner: UUID, hash_: bytes) -> bool:
    """Forget the failures; False when the PIN was changed meanwhile."""
    return await tx.fetchval(PIN_WAS_RIGHT, owner, hash_) is not None


async def take_claim(tx: Tx, *, number: str, code: str, failures_max: int) -> Claim | None:
    row = await tx.fetchrow(TAKE_CLAIM, number, code, failures_max)
    return Claim(**row) if row else None


async def unused_entries(tx: Tx, owner: UUID) -> int:
    """Of about the last day."""
    number: int = await tx.fetchval(UNUSED_ENTRIES, owner)
    return number


async def insert_entry(tx: Tx, *, entry_id: UUID, owner: UUID, number_id: UUID, ttl_s: int) -> None:
    await tx.execute(INSERT_ENTRY, entry_id, owner, number_id, ttl_s)


async def use_entry(tx: Tx, entry_id: UUID) -> Entry | None:
    """Once; None when it is used up, too old, or of a number that was removed."""
    row = await tx.fetchrow(USE_ENTRY, entry_id)
    return Entry(**row) if row else None


async def purge_entries(tx: Tx) -> None:
    await tx.execute(PURGE_ENTRIES)


async def mark_call(tx: Tx, *, call_id: UUID, room_name: str) -> None:
    """A call that was authorized in this very transaction goes on in the room it came in by."""
    await tx.execute(MARK_CALL, call_id, room_name)


async def room_of(tx: Tx, call_id: UUID) -> CallRoom | None:
    row = await tx.fetchrow(ROOM_OF, call_id)
    return CallRoom(**row) if row else None


async def open_rooms(tx: Tx, names: list[str]) -> set[str]:
    """Those of `names` in which a call goes on."""
    return {row["room_name"] for row in await tx.fetch(OPEN_ROOMS, names)}
