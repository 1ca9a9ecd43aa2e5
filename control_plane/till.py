"""The till of a request: payments that are not set up are refused in words, not by a crash."""

from typing import Annotated

from fastapi import Depends

from billing.stripe_objects import Till
from control_plane.services import CurrentServices
from shared.errors import Unavailable


class PaymentsNotOffered(Unavailable):
    """Payments are not offered here"""

    code = "payments_not_offered"

    def __init__(self) -> None:
        super().__init__(retry_after_s=3_600)


async def till_of(services: CurrentServices) -> Till:
    """Raises PaymentsNotOffered without STRIPE_SECRET_KEY."""
    if services.till is None:
        raise PaymentsNotOffered
    return services.till


CurrentTill = Annotated[Till, Depends(till_of)]
