"""GET /api/credits."""

from fastapi import APIRouter

from billing import ledger
from billing.money import to_credits
from control_plane.routes.answers import Answer, errors
from control_plane.services import CurrentServices, SignedIn
from shared.db import transaction

router = APIRouter(tags=["credits"])


class Credits(Answer):
    """In credits. `available` is `amount` without what running calls hold."""

    amount: int | float
    reserved: int | float
    available: int | float
    debt: int | float


@router.get("/api/credits", responses=errors(401, 503))
async def get_credits(services: CurrentServices, user_id: SignedIn) -> Credits:
    """What the account has."""
    async with transaction(services.pool) as tx:
        balance = await ledger.balance_of(tx, user_id)
    return Credits(
        amount=to_credits(balance.balance),
        reserved=to_credits(balance.reserved),
        available=to_credits(balance.available),
        debt=to_credits(balance.debt),
    )
