"""GET /api/v1/billing: what the account of a key has left."""

from datetime import datetime
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel

from billing import ledger
from billing.money import to_credits
from control_plane.api_keys import Scope
from control_plane.callers import ApiCaller, needs_scope
from control_plane.limits.doors import limited
from control_plane.routes.answers import Answer
from control_plane.services import CurrentServices
from control_plane.store import offered_voices as store
from control_plane.store.offered_voices import Payment
from control_plane.v1_errors import program_errors
from shared.db import transaction

router = APIRouter(tags=["v1"], dependencies=[limited("v1")])

# Upstream's words for the ways in which credit is bought, and what people are told.
_TYPES: Final = {"topup": "topup", "subscription_grant": "purchase"}
_DESCRIPTIONS: Final = {"topup": "Credit top-up", "subscription_grant": "Subscription credits"}


class BillingTransaction(BaseModel):
    """`amount` in credits. We have no subscription id here; it is null, as upstream's often is."""

    id: str
    type: str
    amount: int | float
    description: str | None
    created_at: datetime
    reference_id: str
    subscription_id: str | None
    metadata: dict[str, Any]


class Billing(Answer):
    """
    `creditsLeft` is what may be spent now: without what running work holds, and no more than the
    spending cap of the account leaves.
    """

    credits_left: int | float
    last_updated: datetime
    user_id: UUID
    last_billing_transaction: BillingTransaction | None


@router.get("/api/v1/billing", responses=program_errors(401, 403, 429, 503))
async def get_billing(
    services: CurrentServices, caller: Annotated[ApiCaller, needs_scope(Scope.BILLING_READ)]
) -> Billing:
    """The balance, and the last payment that raised it."""
    async with transaction(services.pool) as tx:
        balance = await ledger.visit(tx, caller.user_id)
        changed = await store.last_change(tx, caller.user_id)
        payment = await store.last_payment(tx, caller.user_id)
    return Billing(
        credits_left=to_credits(balance.spendable),
        last_updated=changed or services.clock.now(),
        user_id=caller.user_id,
        last_billing_transaction=_view(payment) if payment else None,
    )


def _view(payment: Payment) -> BillingTransaction:
    return BillingTransaction(
        id=str(payment.id),
        type=_TYPES[payment.kind],
        amount=to_credits(payment.amount),
        description=payment.reason or _DESCRIPTIONS[payment.kind],
        created_at=payment.created_at,
        reference_id=payment.source_id,
        subscription_id=None,
        metadata={},
    )
