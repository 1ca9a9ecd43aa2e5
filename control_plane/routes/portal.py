"""POST /api/portal: Stripe's own pages to change, cancel and resume a plan, and for cards."""

from fastapi import APIRouter

from control_plane.limits.doors import limited
from control_plane.routes.answers import Answer, errors
from control_plane.routes.subscription import customer_known
from control_plane.services import CurrentServices, SignedIn
from control_plane.till import CurrentTill
from shared.errors import NotFound
from shared.ids import new_uuid

router = APIRouter(tags=["plans"])


class NoCustomer(NotFound):
    """Nothing was ever bought with this account"""

    code = "no_customer"


class PortalPage(Answer):
    """Good for some minutes, for whoever has it."""

    url: str


@router.post("/api/portal", dependencies=[limited("till")], responses=errors(401, 404, 429, 503))
async def open_portal(
    services: CurrentServices, till: CurrentTill, user_id: SignedIn
) -> PortalPage:
    """A link to the customer portal. Open to frozen accounts: nobody is kept from cancelling."""
    customer = await customer_known(services, user_id)
    if customer is None:
        raise NoCustomer
    url = await till.portal_url(
        customer=customer,
        return_url=services.settings.public_url,
        key=f"portal:{new_uuid()}",  # each is a page of its own and buys nothing
    )
    return PortalPage(url=url)
