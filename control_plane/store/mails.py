"""SQL of the mails that notices become: taken for a while, then sent, tried again or given up."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from shared.db import Tx

# Whoever takes mails has them until `due_at`; after a crash somebody else takes them then. People
# are written to in the language of their last call.
TAKE = """
with due as (
  select notice_id from mails where state in ('waiting', 'sending') and due_at <= clock_timestamp()
  order by due_at limit $1 for update skip locked),
taken as (
  update mails m set state = 'sending', run = m.run + 1, attempts = m.attempts + 1,
    due_at = clock_timestamp() + make_interval(secs => $2)
  from due where m.notice_id = due.notice_id
  returning m.notice_id, m.run, m.attempts)
select n.id, t.run, t.attempts, n.kind, n.payload, n.created_at, p.mail_address as address,
  (select c.language from call_sessions s join call_configs c on c.call_id = s.id
    where s.user_id = n.user_id order by s.authorized_at desc limit 1) as language,
  date_part('epoch', clock_timestamp() - n.created_at)::double precision as age_s
from taken t join notices n on n.id = t.notice_id join profiles p on p.id = n.user_id
order by n.created_at, n.id
"""

SENT = """
with mine as (
  update mails set state = 'sent', ended_at = clock_timestamp(), error = null
  where notice_id = $1 and run = $2 and state = 'sending' returning notice_id)
update notices set sent_at = clock_timestamp() where id in (select notice_id from mine) returning id
"""

AGAIN = """
update mails set state = 'waiting', error = $3,
  due_at = clock_timestamp() + make_interval(secs => $4)
where notice_id = $1 and run = $2 and state = 'sending'
"""

# Nothing was tried: the carrier was away before this one's turn.
PUT_BACK = """
update mails set state = 'waiting', error = $3, attempts = attempts - 1,
  due_at = clock_timestamp() + make_interval(secs => $4)
where notice_id = $1 and run = $2 and state = 'sending'
"""

END = """
update mails set state = $3, error = $4, ended_at = clock_timestamp()
where notice_id = $1 and run = $2 and state = 'sending'
"""

REMEMBER_ADDRESS = """
update profiles set mail_address = $2 where id = $1 and mail_address is distinct from $2
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class TakenMail:
    """`attempts` with this one; `language` of the person's last call, None before the first."""

    id: UUID
    run: int
    attempts: int
    kind: str
    payload: dict[str, Any]
    created_at: datetime
    address: str | None
    language: str | None
    age_s: float


async def take(tx: Tx, *, limit: int, lease_s: float) -> list[TakenMail]:
    """What is due, oldest first; it is this process's for `lease_s`."""
    return [TakenMail(**row) for row in await tx.fetch(TAKE, limit, lease_s)]


async def sent(tx: Tx, mail: TakenMail) -> bool:
    """False when the lease was over and somebody else has it."""
    return await tx.fetchval(SENT, mail.id, mail.run) is not None


async def again(tx: Tx, mail: TakenMail, *, error: str, in_s: float) -> None:
    await tx.execute(AGAIN, mail.id, mail.run, error, in_s)


async def put_back(tx: Tx, mail: TakenMail, *, error: str, in_s: float) -> None:
    """As if it had not been taken, but due later."""
    await tx.execute(PUT_BACK, mail.id, mail.run, error, in_s)


async def end(tx: Tx, mail: TakenMail, *, state: str, error: str) -> None:
    """'failed' or 'skipped', for good."""
    await tx.execute(END, mail.id, mail.run, state, error)


async def remember_address(tx: Tx, user_id: UUID, address: str) -> None:
    """The address the issuer has verified."""
    await tx.execute(REMEMBER_ADDRESS, user_id, address)
