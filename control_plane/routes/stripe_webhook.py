"""
POST /api/stripe/webhook: verified, stored, answered. What it means is the jobs' work.

The older paths are upstream's; they take the same deliveries.
"""

from typing import Final

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import JSONResponse

from billing.stripe_gateway import read_webhook
from billing.stripe_objects import StripeEvent
from control_plane import stripe_inbox
from control_plane.services import CurrentServices, Services
from shared import metrics
from shared.errors import AppError, Invalid, NotFound, Unauthenticated

router = APIRouter(include_in_schema=False)

NAME_CHARS_MAX: Final = 255
PATHS: Final = ("/api/stripe/webhook", "/api/webhooks/stripe", "/webhooks/stripe")


async def receive_stripe_webhook(request: Request, services: CurrentServices) -> JSONResponse:
    """200 also for a repeated delivery; 400 for one that is not from Stripe, or is too old."""
    try:
        event = await _verified(request, services)
        is_new = await stripe_inbox.put_one(services.pool, event)
    except AppError as refused:
        metrics.WEBHOOKS.labels(stripe_inbox.SOURCE, refused.code).inc()
        raise
    metrics.WEBHOOKS.labels(stripe_inbox.SOURCE, "stored" if is_new else "repeated").inc()
    return JSONResponse({"received": True})


for path in PATHS:
    router.post(path)(receive_stripe_webhook)


async def _verified(request: Request, services: Services) -> StripeEvent:
    """Raises NotFound where no secret is set, Invalid for what is not Stripe's."""
    secret = services.settings.stripe_webhook_secret
    if secret is None:
        raise NotFound
    body = await request.body()
    try:
        event = read_webhook(
            body,
            request.headers.get("stripe-signature", ""),
            secret=secret.get_secret_value(),
            now_s=services.clock.now().timestamp(),
        )
    except Unauthenticated:
        raise Invalid("Invalid signature") from None
    if not all(_is_name(name) for name in (event.id, event.kind)) or not _is_storable(event):
        raise Invalid("Webhook without an id")
    return event


def _is_name(text: object) -> bool:
    return isinstance(text, str) and 0 < len(text) <= NAME_CHARS_MAX and text.isprintable()


def _is_storable(event: StripeEvent) -> bool:
    """An event's object may have no id (a preview of an invoice): then there is nothing to sync."""
    named = (event.object_type, event.object_id)
    return all(isinstance(it, str) and (not it or _is_name(it)) for it in named)
