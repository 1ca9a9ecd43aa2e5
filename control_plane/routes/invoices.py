"""GET /api/invoices and GET /api/invoices/{invoice_id}: the invoices of the account's plans."""

from datetime import datetime
from typing import Annotated, Final, Self

from fastapi import APIRouter, Path

from billing import subscriptions
from billing.money import to_credits
from billing.store import subscriptions as store
from billing.store.subscriptions import KnownInvoice
from control_plane.limits.doors import limited
from control_plane.routes.answers import Answer, errors
from control_plane.services import CurrentServices, Services, SignedIn
from shared.db import transaction
from shared.errors import NotFound
from shared.ids import UserId

router = APIRouter(tags=["plans"])

LISTED_MAX: Final = 100  # eight years of months

InvoiceId = Annotated[str, Path(pattern=r"^[A-Za-z0-9_]{1,255}$")]


class InvoiceNotFound(NotFound):
    """Invoice not found"""

    code = "invoice_not_found"


class InvoiceView(Answer):
    """
    `total` and `amount_paid` are in the currency's smallest unit; `credits` is what it gave.

    The links are Stripe's and end after some weeks; reading one invoice makes them new.
    """

    id: str
    number: str | None
    status: str
    reason: str
    currency: str
    total: int
    amount_paid: int
    credits: int | float
    created_at: datetime
    url: str | None
    pdf_url: str | None

    @classmethod
    def of(cls, known: KnownInvoice) -> Self:
        return cls(
            id=known.invoice_id,
            number=known.number,
            status=known.status,
            reason=known.billing_reason,
            currency=known.currency,
            total=known.total,
            amount_paid=known.amount_paid,
            credits=to_credits(known.credits),
            created_at=known.created_at,
            url=known.hosted_url,
            pdf_url=known.pdf_url,
        )


class Invoices(Answer):
    data: list[InvoiceView]


@router.get("/api/invoices", responses=errors(401, 503))
async def list_invoices(services: CurrentServices, user_id: SignedIn) -> Invoices:
    """The latest invoices, newest first."""
    async with transaction(services.pool) as tx:
        found = await store.invoices_of(tx, owner=user_id, limit=LISTED_MAX)
    return Invoices(data=[InvoiceView.of(each) for each in found])


@router.get(
    "/api/invoices/{invoice_id}",
    dependencies=[limited("till")],
    responses=errors(401, 404, 429, 503),
)
async def get_invoice(
    invoice_id: InvoiceId, services: CurrentServices, user_id: SignedIn
) -> InvoiceView:
    """One invoice as Stripe has it now, with fresh links; as it was where there is no till."""
    known = await _owned(services, invoice_id, user_id)
    if services.till is not None:
        await subscriptions.sync_invoice(services.pool, services.till, invoice_id)
        known = await _owned(services, invoice_id, user_id)
    return InvoiceView.of(known)


async def _owned(services: Services, invoice_id: str, user_id: UserId) -> KnownInvoice:
    """Raises InvoiceNotFound, also for another account's."""
    async with transaction(services.pool) as tx:
        known = await store.find_invoice(tx, invoice_id, owner=user_id)
    if known is None:
        raise InvoiceNotFound
    return known
