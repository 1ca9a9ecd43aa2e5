"""
Charging of one-shot work, such as a spoken text: reserve, then settle or release.

    charge = (await reserve(tx, ...)).charge     commit: the credit is held
    ... generate, without a transaction ...
    await settle(tx, ...)                        in the transaction that records the audio

Settling together with the row that makes the audio known gives both or neither. What dies in
between is released by `expire`; an object stored without its row belongs to nobody and may be
deleted. Every step may be repeated. The state changes are SQL functions (migration 0006).
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final
from uuid import UUID

from billing.money import MicroCredits
from billing.price_book import QUANTITY_MAX, NotPriced
from billing.price_words import credits_in_words
from billing.store import generation_charges as store
from billing.store.generation_charges import Charge
from shared.db import Tx
from shared.errors import Conflict, InsufficientCredits, Invalid, NotFound
from shared.ids import new_uuid

SHA256_BYTES: Final = 32
KEY_CHARS_MAX: Final = 255  # as Stripe's; an Idempotency-Key is made by a program
TTL_S: Final = 900  # longer than a provider may take, with its retries
TTL_S_MAX: Final = 24 * 3_600  # a day of held credit is a bug
EXPIRE_BATCH: Final = 500  # their accounts stay locked together, for some milliseconds


class CannotAfford(InsufficientCredits):
    """Insufficient credits"""

    def __init__(self, *, needed: int, available: int) -> None:
        super().__init__()
        self.needed = MicroCredits(needed)
        self.available = MicroCredits(available)
        self.explanation = (
            f"This needs {credits_in_words(needed)}; {credits_in_words(available)} are free"
        )


class OverSpendingCap(CannotAfford):
    """The spending cap you set for this month leaves too little"""

    code = "spending_cap_reached"


class KeyReused(Conflict):
    """This idempotency key was used for another request"""

    code = "idempotency_key_reused"


class ChargeNotFound(NotFound):
    """Charge not found"""

    code = "charge_not_found"


class ChargeReleased(Conflict):
    """The hold of this work was given back already"""

    code = "charge_released"


class ReleaseReason(StrEnum):
    """Why work ended without a debit. `expired` is for the reaper alone."""

    FAILED = "failed"
    REFUSED = "refused"
    CANCELLED = "cancelled"
    BAD_AUDIO = "bad_audio"
    CACHE_HIT = "cache_hit"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class Reservation:
    """`is_new` False: this request was here before, and `charge` says what became of it."""

    charge: Charge
    is_new: bool


async def reserve(
    tx: Tx,
    *,
    user_id: UUID,
    idempotency_key: str,
    request_sha256: bytes,
    product: str,
    model: str,
    quantity_max: int,
    channel: str = "web",
    ttl_s: int = TTL_S,
) -> Reservation:
    """
    Hold what `quantity_max` units cost at most, for `ttl_s` seconds, at the price in force.

    The same key with the same request gives the first charge again, also when it has ended: a new
    attempt after a release needs a new key. `request_sha256` covers all that makes the request.
    Raises Invalid, KeyReused, NotPriced or CannotAfford (OverSpendingCap is one); nothing is
    changed then.
    """
    assert len(request_sha256) == SHA256_BYTES, "the digest itself, not its hex"
    assert 0 < ttl_s <= TTL_S_MAX, "a hold ends"
    if not 0 < len(idempotency_key) <= KEY_CHARS_MAX or not idempotency_key.isprintable():
        raise Invalid(f"The idempotency key must have 1 to {KEY_CHARS_MAX} printable characters")
    if not 0 < quantity_max <= QUANTITY_MAX:
        raise Invalid(f"The quantity must be 1 to {QUANTITY_MAX:,}")
    reserved = await store.reserve(
        tx,
        charge_id=new_uuid(),
        user_id=user_id,
        idempotency_key=idempotency_key,
        request_sha256=request_sha256,
        product=product,
        model=model,
        channel=channel,
        quantity=quantity_max,
        ttl_s=ttl_s,
    )
    if reserved.outcome == "no_credit":
        raise CannotAfford(needed=reserved.needed, available=reserved.available)
    if reserved.outcome == "over_cap":
        raise OverSpendingCap(needed=reserved.needed, available=reserved.available)
    if reserved.outcome == "no_price":
        raise NotPriced
    if reserved.outcome == "conflict":
        raise KeyReused
    assert reserved.charge is not None, "reserved or known"
    return Reservation(reserved.charge, is_new=reserved.outcome == "reserved")


async def settle(tx: Tx, *, charge_id: UUID, quantity: int, model: str | None = None) -> Charge:
    """
    Debit `quantity` delivered units, never more than was held, once.

    `model` names the one that did the work when it was not the one asked for; its price on the same
    card counts. A settled charge stays as it is. Raises Invalid, ChargeNotFound, NotPriced (that
    model has no price in the unit of the hold), or ChargeReleased: too late, deliver nothing.
    """
    if not 0 < quantity <= QUANTITY_MAX:
        raise Invalid(f"The quantity must be 1 to {QUANTITY_MAX:,}")
    ended = await store.settle(tx, charge_id=charge_id, quantity=quantity, model=model)
    if ended is None:
        raise ChargeNotFound
    if ended.outcome == "released":
        raise ChargeReleased
    if ended.outcome == "no_price":
        raise NotPriced
    return ended.charge


async def release(tx: Tx, *, charge_id: UUID, reason: ReleaseReason) -> Charge:
    """
    Give the hold back; nothing is debited.

    A released charge keeps its first reason, a settled one stays settled: look at `state`.
    Raises ChargeNotFound.
    """
    ended = await store.release(tx, charge_id=charge_id, reason=reason)
    if ended is None:
        raise ChargeNotFound
    return ended.charge


async def expire(tx: Tx, *, limit: int = EXPIRE_BATCH) -> list[Charge]:
    """
    Release up to `limit` charges past their time, for the jobs to call every few seconds.

    It waits for no lock: what somebody works on right now is left for the next round.
    """
    return await store.expire(tx, limit=limit)


async def find(tx: Tx, charge_id: UUID) -> Charge:
    """Raises ChargeNotFound."""
    charge = await store.find(tx, charge_id)
    if charge is None:
        raise ChargeNotFound
    return charge
