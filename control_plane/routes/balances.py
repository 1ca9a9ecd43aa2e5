"""GET /api/credits."""

from datetime import datetime

from fastapi import APIRouter

from billing import ledger, lots
from billing.money import to_credits
from billing.store.lots import Lot
from control_plane.routes.answers import Answer, errors
from control_plane.services import CurrentServices, SignedIn
from shared.db import transaction

router = APIRouter(tags=["credits"])


class CreditLot(Answer):
    """
    A part of the balance: `remaining` of `amount` credits. `kind` is free, promotional,
    subscription or purchased; without `expiresAt` it never ends.
    """

    kind: str
    amount: int | float
    remaining: int | float
    expires_at: datetime | None
    created_at: datetime


class Credits(Answer):
    """
    In credits. `available` is `amount` without what running calls hold, `spendable` is no more than
    the spending cap leaves. `lots` are in the order in which they are used, the first hundred.
    """

    amount: int | float
    reserved: int | float
    available: int | float
    debt: int | float
    spendable: int | float
    lots: list[CreditLot]


@router.get("/api/credits", responses=errors(401, 503))
async def get_credits(services: CurrentServices, user_id: SignedIn) -> Credits:
    """What the account has, with today's free credits and without what has expired."""
    async with transaction(services.pool) as tx:
        balance = await ledger.visit(tx, user_id)
        parts = await lots.open_lots_of(tx, user_id)
    return Credits(
        amount=to_credits(balance.balance),
        reserved=to_credits(balance.reserved),
        available=to_credits(balance.available),
        debt=to_credits(balance.debt),
        spendable=to_credits(balance.spendable),
        lots=[_view(lot) for lot in parts],
    )


def _view(lot: Lot) -> CreditLot:
    return CreditLot(
        kind=lot.kind,
        amount=to_credits(lot.amount),
        remaining=to_credits(lot.remaining),
        expires_at=lot.expires_at,
        created_at=lot.created_at,
    )
