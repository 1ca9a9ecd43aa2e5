"""
POST /api/checkout, how it went, and the pages a buyer comes back to.

The page of success asks Stripe itself, so the credit is there before any webhook; whoever has the
link may do that, it credits the buyer alone and shows no name.
"""

from typing import Annotated, Final
from uuid import UUID, uuid5

from fastapi import APIRouter, Path
from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response

from billing import topups
from billing.money import to_credits
from billing.quotes import Quote, quote_amount, quote_package
from billing.store import topups as store
from billing.stripe_objects import TillAway
from control_plane.http_errors import parse_json
from control_plane.idempotency import answered_once
from control_plane.limits.doors import limited
from control_plane.openapi import body_of
from control_plane.return_page import return_page
from control_plane.routes.answers import Answer, errors
from control_plane.services import CurrentServices, Services, SignedIn
from control_plane.till import CurrentTill
from shared.db import transaction
from shared.errors import Invalid, NotFound, Unavailable
from shared.ids import UserId

router = APIRouter(tags=["payments"])

TOPUP_IDS: Final = UUID("6f1d1f0a-5c39-4d7e-9a55-0d7c7b8e6a15")  # any; the same for ever
CHECKOUT_ID_CHARS_MAX: Final = 255  # Stripe's own
AMOUNT_MAX: Final = 99_999_999  # Stripe's own


class CheckoutRequest(BaseModel):
    """A package, or an amount in the currency's smallest unit (500 are 5 dollars, or 500 yen)."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")

    packageId: Annotated[str | None, Field(min_length=1, max_length=40)] = None  # noqa: N815 - as all of our JSON
    amount: Annotated[int | None, Field(ge=1, le=AMOUNT_MAX)] = None
    currency: Annotated[str, Field(pattern="^[a-z]{3}$")] = "usd"
    saveCard: bool = False  # noqa: N815 - for payments without the buyer later on


class CheckoutAnswer(Answer):
    """Send the buyer to `url`. `credits` are added when the payment is there."""

    id: UUID
    url: str
    amount: int
    currency: str
    credits: int | float


class TopupState(Answer):
    """`state`: intended, open, processing (paid, not settled yet), paid, failed, expired."""

    id: UUID
    state: str
    amount: int
    currency: str
    credits: int | float


@router.post(
    "/api/checkout",
    dependencies=[limited("checkout")],
    openapi_extra=body_of(CheckoutRequest),
    response_model=CheckoutAnswer,
    responses=errors(400, 401, 403, 404, 409, 413, 429, 503),
)
async def open_checkout(
    request: Request, services: CurrentServices, user_id: SignedIn, till: CurrentTill
) -> Response:
    """Open a payment page. With an Idempotency-Key the same request opens the same page."""
    body = await request.body()
    wanted = parse_json(CheckoutRequest, body)

    async def produce(key: str) -> Response:
        quote = await _quote(services, wanted)
        topup_id = uuid5(TOPUP_IDS, f"{user_id}:{key}")
        opened = await topups.open_checkout(
            services.pool,
            till,
            topup_id=topup_id,
            user_id=user_id,
            quote=quote,
            return_url=services.settings.public_url,
            save_card=wanted.saveCard,
        )
        topup = await _topup(services, user_id, topup_id)
        if opened.url is None:
            raise Invalid("This payment page is closed")
        answer = CheckoutAnswer(
            id=topup.id,
            url=opened.url,
            amount=topup.amount,
            currency=topup.currency,
            credits=to_credits(topup.credits),
        )
        return JSONResponse(answer.model_dump(mode="json", by_alias=True))

    return await answered_once(services, request, owner=user_id, body=body, produce=produce)


@router.get("/api/checkout/{topup_id}", responses=errors(401, 404, 503))
async def get_checkout(
    topup_id: Annotated[UUID, Path()], services: CurrentServices, user_id: SignedIn
) -> TopupState:
    """How a payment stands, as we know it."""
    topup = await _topup(services, user_id, topup_id)
    return TopupState(
        id=topup.id,
        state=topup.state,
        amount=topup.amount,
        currency=topup.currency,
        credits=to_credits(topup.credits),
    )


@router.get("/checkout/success", include_in_schema=False, dependencies=[limited("anonymous")])
async def come_back(services: CurrentServices, till: CurrentTill, session_id: str) -> HTMLResponse:
    """Credits what was paid at once; what Stripe cannot tell now, a webhook will."""
    is_id = session_id.startswith("cs_") and session_id.isascii()
    if not is_id or len(session_id) > CHECKOUT_ID_CHARS_MAX:
        raise NotFound
    try:
        await topups.sync_checkout(services.pool, till, session_id)
    except (TillAway, Unavailable):
        return return_page("Thank you", "Your payment is being confirmed. This takes a moment.")
    async with transaction(services.pool) as tx:
        topup = await store.by_checkout(tx, session_id)
    if topup is None:  # a subscription's
        return return_page("Thank you", "Your plan is being set up. This takes a moment.")
    words = {
        "paid": f"{topup.credits // 1_000_000:,} credits were added to your balance.",
        "processing": "Your bank is still working on this payment. Your credits come with it.",
    }
    return return_page("Thank you", words.get(topup.state, "Your payment is not there yet."))


@router.get("/checkout/cancel", include_in_schema=False)
async def walk_away() -> HTMLResponse:
    """Nothing was paid, nothing changes."""
    return return_page("Nothing was paid", "You can come back to this at any time.")


async def _quote(services: Services, wanted: CheckoutRequest) -> Quote:
    if (wanted.packageId is None) == (wanted.amount is None):
        raise Invalid("Give either packageId or amount")
    async with transaction(services.pool) as tx:
        if wanted.packageId is not None:
            return await quote_package(tx, wanted.packageId, currency=wanted.currency)
        assert wanted.amount is not None, "one of the two"
        return await quote_amount(tx, wanted.amount, currency=wanted.currency)


async def _topup(services: Services, user_id: UserId, topup_id: UUID) -> store.Topup:
    async with transaction(services.pool) as tx:
        topup = await store.of_owner(tx, owner=user_id, topup_id=topup_id)
    if topup is None:
        raise NotFound
    return topup
