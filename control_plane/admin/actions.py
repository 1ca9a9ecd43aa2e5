"""
What operators do to an account. Each thing is done together with its entry in the audit log, or not
at all. Who may is decided at the edge; here `actor` is only written down.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from billing import audit, ledger
from billing.generation_charges import KeyReused
from billing.money import MICRO, MicroCredits
from billing.store import audit as audit_store
from billing.store.accounts import Balance
from shared.db import Tx
from shared.errors import Conflict, Invalid, NotFound

SOURCE: Final = "operator"
GRANT_KIND: Final = "promo"
ADJUST_KIND: Final = "adjust"
# Above any package there is; more is a slip of the finger, or needs a second look by somebody else.
CREDITS_MAX: Final = 1_000_000
KEY_CHARS_MIN: Final = 8  # short keys collide by themselves
KEY_CHARS_MAX: Final = 100


class AccountNotFound(NotFound):
    """Account not found"""

    code = "account_not_found"


class AlreadyFrozen(Conflict):
    """This account is frozen already"""

    code = "already_frozen"


class NotFrozen(Conflict):
    """This account is not frozen"""

    code = "not_frozen"


@dataclass(frozen=True, slots=True)
class Movement:
    """`is_new` False: the same request was done before, and nothing was done now."""

    is_new: bool
    balance: Balance


async def grant(
    tx: Tx,
    *,
    user_id: UUID,
    amount: MicroCredits,
    key: str,
    actor: str,
    reason: str,
    expires_at: datetime | None = None,
) -> Movement:
    """
    Give credit. Debt is paid first. `key` makes a repeated request a no-op.

    Raises AccountNotFound, Invalid, or KeyReused when the key came with another request before.
    """
    if amount <= 0:
        raise Invalid("A grant is more than nothing", param="credits")
    return await _move(
        tx,
        _Wish(user_id, GRANT_KIND, amount, key, actor, audit.checked_reason(reason), expires_at),
        action="grant",
    )


async def adjust(
    tx: Tx, *, user_id: UUID, amount: MicroCredits, key: str, actor: str, reason: str
) -> Movement:
    """
    Correct a balance, up or down. What is taken beyond free credit becomes debt.

    Raises as `grant`.
    """
    if amount == 0:
        raise Invalid("An adjustment changes something", param="credits")
    return await _move(
        tx,
        _Wish(user_id, ADJUST_KIND, amount, key, actor, audit.checked_reason(reason), None),
        action="adjust",
    )


@dataclass(frozen=True, slots=True)
class _Wish:
    user_id: UUID
    kind: str
    amount: MicroCredits
    key: str
    actor: str
    reason: str
    expires_at: datetime | None


async def _move(tx: Tx, wish: _Wish, *, action: str) -> Movement:
    _check(wish)
    await _known(tx, wish.user_id)
    is_new = await ledger.post(
        tx,
        user_id=wish.user_id,
        amount=wish.amount,
        kind=wish.kind,
        source=SOURCE,
        source_id=wish.key,
        reason=wish.reason,
        actor=wish.actor,
        expires_at=wish.expires_at,
    )
    if is_new:
        details: dict[str, str | int | bool] = {"microcredits": int(wish.amount), "kind": wish.kind}
        if wish.expires_at:
            details["expires_at"] = wish.expires_at.isoformat()
        await audit.record(
            tx,
            actor=wish.actor,
            action=action,
            user_id=wish.user_id,
            reason=wish.reason,
            posting=wish.key,
            details=details,
        )
    else:
        await _must_be_the_same(tx, wish)
    return Movement(is_new, await ledger.balance_of(tx, wish.user_id))


def _check(wish: _Wish) -> None:
    if abs(wish.amount) > CREDITS_MAX * MICRO:
        raise Invalid(f"At most {CREDITS_MAX:,} credits at once", param="credits")
    is_good = KEY_CHARS_MIN <= len(wish.key) <= KEY_CHARS_MAX
    if not (is_good and wish.key.isascii() and wish.key.isprintable()):
        raise Invalid(
            f"Idempotency-Key must be {KEY_CHARS_MIN} to {KEY_CHARS_MAX} "
            "printable ASCII characters",
            param="idempotency-key",
        )


async def _must_be_the_same(tx: Tx, wish: _Wish) -> None:
    before = await audit_store.posted(tx, source=SOURCE, source_id=wish.key)
    if before != audit_store.Posted(wish.user_id, wish.kind, wish.amount):
        raise KeyReused


async def _known(tx: Tx, user_id: UUID) -> None:
    try:
        await ledger.balance_of(tx, user_id)
    except NotFound:
        raise AccountNotFound from None


async def freeze(tx: Tx, *, user_id: UUID, actor: str, reason: str) -> None:
    """
    From now on the account starts nothing; a running call ends with the seconds it was promised.

    Raises AccountNotFound, AlreadyFrozen or Invalid.
    """
    changed = await audit_store.freeze(tx, user_id)
    if changed is None:
        raise AccountNotFound
    if not changed:
        raise AlreadyFrozen
    await audit.record(tx, actor=actor, action="freeze", user_id=user_id, reason=reason)


async def unfreeze(tx: Tx, *, user_id: UUID, actor: str, reason: str) -> None:
    """Raises AccountNotFound, NotFrozen or Invalid."""
    changed = await audit_store.unfreeze(tx, user_id)
    if changed is None:
        raise AccountNotFound
    if not changed:
        raise NotFrozen
    await audit.record(tx, actor=actor, action="unfreeze", user_id=user_id, reason=reason)
