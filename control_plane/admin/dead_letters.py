"""Trying again what the inbox of Stripe's events gave up."""

from billing import audit
from control_plane.store import stripe_inbox
from shared.db import Tx


async def retry(tx: Tx, *, event_id: str | None, actor: str, reason: str) -> int:
    """
    Make them due again; None: all of them. Returns how many there were.

    Raises Invalid for a reason that is none.
    """
    audit.checked_reason(reason)
    count = await stripe_inbox.revive(tx, event_id)
    if count:
        await audit.record(
            tx,
            actor=actor,
            action="retry_dead_letters",
            user_id=None,
            reason=reason,
            details={"event_id": event_id or "all", "count": count},
        )
    return count
