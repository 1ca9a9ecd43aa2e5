"""SQL of the web processes that are there to hear agents."""

from uuid import UUID

from shared.db import Tx

# A gap in the heartbeat (a database that was away) begins a new stretch of listening.
LISTEN = """
insert into listeners(id) values ($1)
on conflict (id) do update set seen_at = clock_timestamp(),
  listening_since = case when listeners.seen_at > clock_timestamp() - interval '6 seconds'
    then listeners.listening_since else clock_timestamp() end
"""

FORGET = "delete from listeners where seen_at < clock_timestamp() - interval '1 hour'"


async def listen(tx: Tx, listener_id: UUID) -> None:
    """A heartbeat of this process."""
    await tx.execute(LISTEN, listener_id)


async def forget_the_gone(tx: Tx) -> None:
    await tx.execute(FORGET)
