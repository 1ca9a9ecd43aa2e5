"""GET /api/packages: what credit costs now."""

from datetime import datetime

from fastapi import APIRouter

from billing.money import to_credits
from billing.store import packages
from control_plane.routes.answers import Answer, errors
from control_plane.services import CurrentServices
from shared.db import transaction

router = APIRouter(tags=["payments"])


class Package(Answer):
    """One package in one currency; `amount` in its smallest unit, `credits` with the bonus."""

    id: str
    name: str
    amount: int
    currency: str
    credits: int | float
    bonus_credits: int | float
    promotion: str | None
    promotion_ends_at: datetime | None


class FreeAmount(Answer):
    """Any amount between the two, in the currency's smallest unit."""

    currency: str
    amount_min: int
    amount_max: int
    credits_per_unit: int | float


class Packages(Answer):
    packages: list[Package]
    amounts: list[FreeAmount]


@router.get("/api/packages", responses=errors(503))
async def get_packages(services: CurrentServices) -> Packages:
    """The same for everybody, so it needs no session."""
    async with transaction(services.pool) as tx:
        offers = await packages.offers(tx)
        rates = await packages.rates(tx)
    return Packages(
        packages=[
            Package(
                id=offer.id,
                name=offer.name,
                amount=offer.amount,
                currency=offer.currency,
                credits=to_credits(offer.granted),
                bonus_credits=to_credits(offer.bonus),
                promotion=offer.promotion,
                promotion_ends_at=offer.promotion_ends_at,
            )
            for offer in offers
        ],
        amounts=[
            FreeAmount(
                currency=rate.currency,
                amount_min=rate.amount_min,
                amount_max=rate.amount_max,
                credits_per_unit=to_credits(rate.credits_per_unit),
            )
            for rate in rates
        ],
    )
