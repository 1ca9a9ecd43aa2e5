"""GET /api/stripe/transactions: what somebody paid and got back, in upstream's shape and more."""

from datetime import datetime
from typing import Annotated, Final

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict

from billing.money import to_credits
from billing.store import customers
from billing.store import payments as store
from billing.store.payments import Payment
from control_plane.routes.answers import errors
from control_plane.services import CurrentServices, SignedIn
from shared.db import transaction
from shared.errors import Forbidden

router = APIRouter(tags=["payments"])

LISTED_MAX: Final = 100
DESCRIPTIONS: Final = {"topup": "Credits", "subscription_grant": "Subscription"}


class Transaction(BaseModel):
    """`amount` in the currency's smallest unit; `credits_left` after what went back."""

    model_config = ConfigDict(frozen=True)

    id: str
    type: str  # topup or subscription
    amount: int
    currency: str
    description: str
    status: str  # paid, refunded, partially_refunded, disputed, failed
    created: datetime
    invoice_id: str | None
    refunded: int
    credits: int | float
    credits_left: int | float
    receipt_url: str | None


@router.get("/api/stripe/transactions", responses=errors(400, 401, 403, 503))
async def get_transactions(
    services: CurrentServices,
    user_id: SignedIn,
    stripe_id: Annotated[str | None, Query(alias="stripeId", max_length=255)] = None,
) -> list[Transaction]:
    """The latest payments, newest first. `stripeId`, which old clients send, is one's own."""
    async with transaction(services.pool) as tx:
        if stripe_id is not None and await customers.customer_of(tx, user_id) != stripe_id:
            raise Forbidden
        found = await store.of_owner(tx, owner=user_id, limit=LISTED_MAX)
    return [_shown(payment) for payment in found]


def _shown(payment: Payment) -> Transaction:
    return Transaction(
        id=payment.charge_id,
        type="topup" if payment.kind == "topup" else "subscription",
        amount=payment.amount,
        currency=payment.currency,
        description=DESCRIPTIONS[payment.kind],
        status=_status(payment),
        created=payment.charged_at,
        invoice_id=payment.invoice_id,
        refunded=payment.refunded,
        credits=to_credits(payment.posted_grant),
        credits_left=to_credits(payment.posted),
        receipt_url=payment.receipt_url,
    )


def _status(payment: Payment) -> str:
    if not payment.paid:
        return "failed"
    if payment.disputed:
        return "disputed"
    if payment.refunded >= payment.amount:
        return "refunded"
    return "partially_refunded" if payment.refunded else "paid"
