"""SQL of what waits too long: events of Stripe's, mails, payments whose end nobody knows."""

from dataclasses import dataclass

from shared.db import Tx

# A mail that was never tried waits for somebody to set up mail, which is no fault.
BACKLOG = """
select
  (select count(*) from webhook_inbox
    where source = 'stripe' and dead_at is not null and handled_at is null)::int as dead_letters,
  (select coalesce(extract(epoch from clock_timestamp() - min(received_at)), 0) from webhook_inbox
    where source = 'stripe' and dead_at is null and handled_at is null)::float8 as event_s,
  (select coalesce(extract(epoch from clock_timestamp() - min(n.created_at)), 0)
    from mails m join notices n on n.id = m.notice_id
    where m.state in ('waiting', 'sending') and (m.error is not null or m.attempts > 0))::float8
    as mail_s,
  (select coalesce(extract(epoch from clock_timestamp() - min(created_at)), 0) from topups
    where kind = 'auto' and state in ('intended', 'open', 'processing'))::float8 as payment_s
"""


@dataclass(frozen=True, slots=True)
class Backlog:
    """Seconds are the age of the oldest, 0 when there is none."""

    dead_letters: int  # events that were given up
    event_s: float  # an event that is not worked on yet
    mail_s: float  # a mail that did not leave
    payment_s: float  # an automatic payment whose end is not known


async def backlog(tx: Tx) -> Backlog:
    row = await tx.fetchrow(BACKLOG)
    assert row is not None, "it has one row"
    return Backlog(**row)
