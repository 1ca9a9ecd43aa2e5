"""
Receipts: issued by the transaction that closes a charge, signed when somebody first reads one.

Signing waits for a reader because many processes close charges (the web process, the jobs, a
worker's parent through the web) and none of them should need the private key, nor fail to close for
want of it. Nothing is lost by it: the text and its place in the chain are fixed at the close, the
table refuses any change to them, and a receipt is signed only while its text still has its hash.
"""

from typing import Any
from uuid import UUID

from billing.errors import CallNotFound
from billing.receipt_body import CALL, GENESIS_HASH, Place, call_content, hash_of, receipt_text
from billing.receipt_keys import ReceiptKey
from billing.store import receipts as store
from billing.store.receipts import Receipt
from shared.db import Tx
from shared.errors import Conflict, NotFound, Unavailable
from shared.ids import new_uuid

OPEN_STATES = ("authorized", "active")


class NoReceipt(NotFound):
    """Nothing was billed for this call, so there is no receipt"""

    code = "no_receipt"


class CallStillOpen(Conflict):
    """The call has not ended; its receipt is written when it does"""

    code = "call_open"


class ReceiptsNotConfigured(Unavailable):
    """Receipts cannot be signed: the service has no signing key"""

    code = "receipts_not_configured"


async def issue_for_call(tx: Tx, call_id: UUID) -> Receipt | None:
    """
    The receipt of a call that this transaction, or an earlier one, has closed.

    None when the call is open, billed nothing, or has its receipt already.
    """
    call = await store.call_facts(tx, call_id)
    if call is None:
        return None
    return await issue(
        tx, user_id=call.user_id, kind=CALL, subject_id=call.id, content=call_content(call)
    )


async def issue(
    tx: Tx, *, user_id: UUID, kind: str, subject_id: UUID, content: dict[str, Any]
) -> Receipt | None:
    """
    Add a receipt to the chain of an account; None when the subject has one already.

    `content` holds what only this kind has: strings, whole numbers, booleans, lists and objects.
    Whoever closes a charge holds the account's lock already; taking it here keeps the chain
    serial for everybody else. It comes first: credits before all other rows.
    """
    await store.lock_account(tx, user_id)
    head = await store.chain_head(tx, user_id=user_id, subject_id=subject_id)
    if head.issued:
        return None
    place = Place(new_uuid(), user_id, head.sequence + 1, head.hash or GENESIS_HASH, head.now)
    body = receipt_text(place, kind, content)
    receipt = Receipt(
        id=place.receipt_id,
        user_id=user_id,
        sequence=place.sequence,
        kind=kind,
        subject_id=subject_id,
        body=body,
        hash=hash_of(body),
        previous_hash=place.previous_hash,
        key_id=None,
        signature=None,
        issued_at=place.issued_at,
    )
    await store.insert(tx, receipt)
    return receipt


async def receipt_of_call(tx: Tx, *, call_id: UUID, owner: UUID) -> Receipt:
    """
    The receipt, signed or not. A call closed without one (before receipts were) gets it now.

    Raises CallNotFound (also for somebody else's call), CallStillOpen or NoReceipt.
    """
    receipt = await store.find(tx, subject_id=call_id, owner=owner)
    if receipt:
        return receipt
    call = await store.call_standing(tx, call_id=call_id, owner=owner)
    if call is None:
        raise CallNotFound
    if call.state in OPEN_STATES:
        raise CallStillOpen
    if call.seconds == 0:
        raise NoReceipt
    await issue_for_call(tx, call_id)
    return await _found(tx, subject_id=call_id, owner=owner)


async def signed(tx: Tx, receipt: Receipt, key: ReceiptKey | None) -> Receipt:
    """The receipt with its signature, stored for good now; as it is while there is no key."""
    if receipt.signature or key is None:
        return receipt
    assert hash_of(receipt.body) == receipt.hash, "the table checks it too"
    await store.sign(tx, receipt_id=receipt.id, key_id=key.key_id, signature=key.sign(receipt.body))
    # Another process may have signed it first, perhaps with another key: the stored one counts.
    return await _found(tx, subject_id=receipt.subject_id, owner=receipt.user_id)


async def _found(tx: Tx, *, subject_id: UUID, owner: UUID) -> Receipt:
    receipt = await store.find(tx, subject_id=subject_id, owner=owner)
    assert receipt is not None, "receipts are never deleted"
    return receipt
