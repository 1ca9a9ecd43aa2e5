"""
What people are to be told, by mail: an outbox.

A notice is written in the transaction that makes it true, so there is one for everything that
happened and none for what was rolled back. Sending it is control_plane/mail's work.
"""

from typing import Final, Literal
from uuid import UUID

from billing.store import notices as store
from shared.db import Tx

Kind = Literal["low_balance", "receipt", "payment_failed", "dispute"]
KEY_CHARS_MAX: Final = 200


async def notify(
    tx: Tx, *, user_id: UUID, kind: Kind, dedupe_key: str, payload: dict[str, object] | None = None
) -> bool:
    """
    Tell the account once per (kind, dedupe_key); False when that was written before.

    `payload` holds amounts and ids for the template: no names, addresses or secrets. The connection
    must have the JSON codecs of `shared.db.open_pool`.
    """
    assert 0 < len(dedupe_key) <= KEY_CHARS_MAX, "an id of what happened"
    return await store.notify(tx, user_id, kind=kind, dedupe_key=dedupe_key, payload=payload or {})
