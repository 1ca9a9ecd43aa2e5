"""
What a charge of Stripe's is worth in credits, posted exactly once.

`sync_charge` looks at the charge as it is now and posts what is missing, so it does not matter how
often, in which order or because of which webhook it runs. What was refunded or is disputed takes
credit back in proportion: free credit first, the rest becomes debt. A dispute that is won gives it
back. All shares are cumulative integers, so partial refunds add up to the whole grant exactly.
"""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from billing import ledger
from billing.money import MicroCredits, floor_div
from billing.notices import notify
from billing.store import payments as store
from billing.store.payments import Payment, PaymentState
from billing.stripe_objects import Charge
from shared.db import Tx
from shared.errors import Conflict

GRANTS = frozenset({"topup", "subscription_grant"})


class ForeignPayment(Conflict):
    """This payment belongs to another account"""

    code = "foreign_payment"


@dataclass(frozen=True, slots=True)
class Shares:
    """What a charge gave and what came back of it, in micro-credits; each is 0 or more."""

    grant: int
    refund: int
    dispute: int

    @property
    def net(self) -> int:
        return self.grant - self.refund - self.dispute


@dataclass(frozen=True, slots=True)
class Posting:
    """One line for the ledger, signed."""

    amount: int
    kind: str


def shares_of(charge: Charge, credits: int) -> Shares:  # noqa: A002 - the word of this domain
    """`credits` are for the whole amount. Money that is refunded and disputed counts once."""
    if not (charge.paid and charge.captured) or charge.amount <= 0:
        return Shares(0, 0, 0)
    refund = _share(credits, charge.refunded, charge.amount)
    gone = _share(credits, charge.refunded + charge.disputed, charge.amount)
    return Shares(grant=credits, refund=refund, dispute=gone - refund)


def postings(before: Shares, after: Shares, *, kind: str) -> list[Posting]:
    """What leads from one state to the other; credit comes first, so that no debt is between."""
    grant = after.grant - before.grant
    refund = before.refund - after.refund
    dispute = before.dispute - after.dispute
    found = [
        Posting(grant, kind if grant > 0 else "refund"),
        Posting(refund, "refund"),
        Posting(dispute, "dispute_reversal" if dispute > 0 else "dispute"),
    ]
    return sorted((posting for posting in found if posting.amount), key=lambda it: -it.amount)


async def sync_charge(
    tx: Tx,
    charge: Charge,
    *,
    user_id: UUID,
    credits: int,  # noqa: A002 - the word of this domain
    kind: str,
    topup_id: UUID | None = None,
    expires_at: datetime | None = None,
) -> int:
    """
    Post what is missing of this charge; returns the net of it in micro-credits, 0 when nothing was.

    `credits` are the micro-credits of the full amount, `kind` is topup or subscription_grant,
    `expires_at` is for what it grants. The charge must be fresh: see `fresh_state.py`.
    Raises ForeignPayment when it was posted to another account.
    """
    assert kind in GRANTS, "a charge grants what was bought"
    known = await _locked(
        tx, charge, user_id=user_id, credits=credits, kind=kind, topup_id=topup_id
    )
    if known is None:
        return 0
    before = Shares(known.posted_grant, known.posted_refund, known.posted_dispute)
    after = shares_of(charge, credits)
    wanted = postings(before, after, kind=kind)
    for number, posting in enumerate(wanted, start=known.version + 1):
        is_new = await ledger.post(
            tx,
            user_id=user_id,
            amount=MicroCredits(posting.amount),
            kind=posting.kind,
            source="stripe",
            source_id=f"{charge.id}:{number}",
            expires_at=expires_at if posting.amount > 0 else None,
        )
        assert is_new, "its number was taken under the lock of the payment"
    state = _state(charge, credits, after, known.version + len(wanted), topup_id)
    await store.update(tx, charge.id, state)
    if wanted:
        await store.settle_paid(tx, user_id)
        await _tell(tx, charge, user_id, before, after)
    return after.net - before.net


async def _tell(tx: Tx, charge: Charge, user_id: UUID, before: Shares, after: Shares) -> None:
    """A receipt for what was granted, a word about a dispute; each once."""
    about: dict[str, object] = {"amount": charge.amount, "currency": charge.currency}
    if after.grant > before.grant:
        about["credits"] = after.grant
        await notify(tx, user_id=user_id, kind="receipt", dedupe_key=charge.id, payload=about)
    if after.dispute > before.dispute:
        await notify(tx, user_id=user_id, kind="dispute", dedupe_key=charge.id, payload=about)


async def _locked(
    tx: Tx,
    charge: Charge,
    *,
    user_id: UUID,
    credits: int,  # noqa: A002 - the word of this domain
    kind: str,
    topup_id: UUID | None,
) -> Payment | None:
    """The row of this charge; None for one that never was paid and never granted anything."""
    known = await store.lock(tx, charge.id)
    if known is None:
        if not charge.paid:
            return None
        await store.insert(
            tx,
            charge_id=charge.id,
            user_id=user_id,
            kind=kind,
            payment_intent=charge.payment_intent,
            invoice_id=charge.invoice,
            topup_id=topup_id,
            amount=charge.amount,
            currency=charge.currency,
            credits_=credits,
            charged_at=charge.created_at,
        )
        known = await store.lock(tx, charge.id)
    assert known is not None, "inserted or found above"
    if known.user_id != user_id:
        raise ForeignPayment
    return known


def _state(
    charge: Charge,
    credits: int,  # noqa: A002 - the word of this domain
    shares: Shares,
    version: int,
    topup_id: UUID | None,
) -> PaymentState:
    return PaymentState(
        credits=credits,
        posted_grant=shares.grant,
        posted_refund=shares.refund,
        posted_dispute=shares.dispute,
        version=version,
        amount=charge.amount,
        paid=charge.paid,
        refunded=charge.refunded,
        disputed=charge.disputed,
        dispute_status=charge.dispute_status,
        receipt_url=charge.receipt_url,
        invoice_id=charge.invoice,
        topup_id=topup_id,
    )


def _share(credits: int, part: int, whole: int) -> int:  # noqa: A002 - the word of this domain
    return floor_div(credits * min(whole, part), whole)
