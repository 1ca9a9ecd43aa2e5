"""
/api/operator/accounts: an account as the staff sees it. Support reads, and changes nothing here.

Accounts are found by a POST: an e-mail address in a query ends up in logs of proxies.
"""

from datetime import datetime
from typing import Any
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic.alias_generators import to_camel
from starlette.requests import Request

from billing import audit, lots
from billing.money import to_credits
from billing.store import audit as audit_store
from control_plane.admin.actions import AccountNotFound
from control_plane.callers import Role, needs_role
from control_plane.http_errors import parse_json
from control_plane.openapi import body_of
from control_plane.routes.answers import PAGE_SIZE, Answer, PageNumber, PageSize, errors, page_count
from control_plane.services import CurrentServices
from control_plane.store import call_history, operator_accounts
from control_plane.store.operator_accounts import AccountFacts
from shared.db import transaction

router = APIRouter(tags=["operators"], dependencies=[needs_role(Role.SUPPORT)])

FOUND_MAX = 20  # accounts with one e-mail address, at several issuers
EMAIL_CHARS_MAX = 320


class Wanted(BaseModel):
    """One of both."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="forbid")

    user_id: UUID | None = None
    email: str | None = Field(default=None, min_length=3, max_length=EMAIL_CHARS_MAX)

    @model_validator(mode="after")
    def _one_of_both(self) -> "Wanted":
        if (self.user_id is None) == (self.email is None):
            raise ValueError("give userId or email")
        return self


class AccountView(Answer):
    """Money in credits. `mailAddress` is verified by the issuer, `email` is not."""

    id: UUID
    email: str | None
    mail_address: str | None
    created_at: datetime
    frozen_at: datetime | None
    paid: bool
    amount: int | float
    reserved: int | float
    available: int | float
    debt: int | float
    open_calls: int


class LotView(Answer):
    """A part of the balance, in the order in which they are used up."""

    kind: str
    amount: int | float
    remaining: int | float
    expires_at: datetime | None
    origin: str | None
    created_at: datetime


class AccountFile(AccountView):
    lots: list[LotView]


class AccountsFound(Answer):
    data: list[AccountView]


class LedgerView(Answer):
    id: int
    kind: str
    amount: int | float
    call_id: UUID | None
    charge_id: UUID | None
    source: str
    source_id: str
    reason: str | None
    actor: str | None
    created_at: datetime


class CallView(Answer):
    """Without what was said: transcripts are the caller's."""

    id: UUID
    state: str
    end_reason: str | None
    authorized_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    seconds: int
    credits: int | float
    model: str
    free_call: bool


class PaymentView(Answer):
    """Amounts in the currency's smallest unit; credits as granted and as still standing."""

    charge_id: str
    kind: str
    invoice_id: str | None
    amount: int
    currency: str
    paid: bool
    refunded: int
    disputed: int
    dispute_status: str | None
    credits: int | float
    posted: int | float
    charged_at: datetime


class AuditView(Answer):
    sequence: int
    actor: str
    action: str
    reason: str
    details: dict[str, Any]
    hash: str
    created_at: datetime


class Page(Answer):
    page: int
    page_size: int
    total_count: int
    total_pages: int


class LedgerPage(Page):
    data: list[LedgerView]


class CallPage(Page):
    data: list[CallView]


class PaymentPage(Page):
    data: list[PaymentView]


class AuditPage(Page):
    data: list[AuditView]


@router.post(
    "/api/operator/accounts/find",
    responses=errors(400, 401, 403, 413, 503),
    openapi_extra=body_of(Wanted),
)
async def find_accounts(request: Request, services: CurrentServices) -> AccountsFound:
    """By id, or by e-mail where one is stored."""
    wanted = parse_json(Wanted, await request.body())
    async with transaction(services.pool) as tx:
        if wanted.user_id is not None:
            one = await operator_accounts.find(tx, wanted.user_id)
            found = [one] if one else []
        else:
            email = (wanted.email or "").strip()
            found = await operator_accounts.find_by_email(tx, email, limit=FOUND_MAX)
    return AccountsFound(data=[account_view(one) for one in found])


@router.get("/api/operator/accounts/{user_id}", responses=errors(401, 403, 404, 503))
async def get_account(user_id: UUID, services: CurrentServices) -> AccountFile:
    """Who it is, what it has by lot, and whether it is frozen."""
    async with transaction(services.pool) as tx:
        found = await operator_accounts.find(tx, user_id)
        if found is None:
            raise AccountNotFound
        open_lots = await lots.open_lots_of(tx, user_id)
    return AccountFile(
        **account_view(found).model_dump(),
        lots=[
            LotView(
                kind=lot.kind,
                amount=to_credits(lot.amount),
                remaining=to_credits(lot.remaining),
                expires_at=lot.expires_at,
                origin=lot.origin,
                created_at=lot.created_at,
            )
            for lot in open_lots
        ],
    )


@router.get("/api/operator/accounts/{user_id}/ledger", responses=errors(400, 401, 403, 503))
async def list_ledger(
    user_id: UUID, services: CurrentServices, page: PageNumber = 1, page_size: PageSize = PAGE_SIZE
) -> LedgerPage:
    """Every posting, newest first."""
    async with transaction(services.pool) as tx:
        total = await operator_accounts.count_ledger(tx, user_id)
        rows = await operator_accounts.ledger_of(
            tx, owner=user_id, limit=page_size, offset=(page - 1) * page_size
        )
    return LedgerPage(
        data=[
            LedgerView(
                id=row.id,
                kind=row.kind,
                amount=to_credits(row.amount),
                call_id=row.call_id,
                charge_id=row.charge_id,
                source=row.source,
                source_id=row.source_id,
                reason=row.reason,
                actor=row.actor,
                created_at=row.created_at,
            )
            for row in rows
        ],
        **_numbers(page, page_size, total),
    )


@router.get("/api/operator/accounts/{user_id}/calls", responses=errors(400, 401, 403, 503))
async def list_calls(
    user_id: UUID, services: CurrentServices, page: PageNumber = 1, page_size: PageSize = PAGE_SIZE
) -> CallPage:
    """Calls, newest first."""
    async with transaction(services.pool) as tx:
        total = await call_history.count_calls(tx, user_id)
        calls = await call_history.list_calls(
            tx, owner=user_id, limit=page_size, offset=(page - 1) * page_size
        )
    return CallPage(
        data=[
            CallView(
                id=call.id,
                state=call.state,
                end_reason=call.end_reason,
                authorized_at=call.authorized_at,
                started_at=call.started_at,
                ended_at=call.ended_at,
                seconds=call.seconds,
                credits=to_credits(call.cost),
                model=call.model,
                free_call=call.free_call,
            )
            for call in calls
        ],
        **_numbers(page, page_size, total),
    )


@router.get("/api/operator/accounts/{user_id}/payments", responses=errors(400, 401, 403, 503))
async def list_payments(
    user_id: UUID, services: CurrentServices, page: PageNumber = 1, page_size: PageSize = PAGE_SIZE
) -> PaymentPage:
    """Charges, newest first."""
    async with transaction(services.pool) as tx:
        total = await operator_accounts.count_payments(tx, user_id)
        rows = await operator_accounts.payments_of(
            tx, owner=user_id, limit=page_size, offset=(page - 1) * page_size
        )
    return PaymentPage(
        data=[
            PaymentView(
                charge_id=row.charge_id,
                kind=row.kind,
                invoice_id=row.invoice_id,
                amount=row.amount,
                currency=row.currency,
                paid=row.paid,
                refunded=row.refunded,
                disputed=row.disputed,
                dispute_status=row.dispute_status,
                credits=to_credits(row.credits),
                posted=to_credits(row.posted),
                charged_at=row.charged_at,
            )
            for row in rows
        ],
        **_numbers(page, page_size, total),
    )


@router.get("/api/operator/accounts/{user_id}/audit", responses=errors(400, 401, 403, 503))
async def list_audit(
    user_id: UUID, services: CurrentServices, page: PageNumber = 1, page_size: PageSize = PAGE_SIZE
) -> AuditPage:
    """What operators did to the account, newest first."""
    async with transaction(services.pool) as tx:
        total = await audit_store.count_of(tx, user_id)
        entries = await audit_store.entries_of(
            tx, owner=user_id, limit=page_size, offset=(page - 1) * page_size
        )
    return AuditPage(
        data=[
            AuditView(
                sequence=entry.sequence,
                actor=entry.actor,
                action=entry.action,
                reason=entry.reason,
                details=audit.details_of(entry),
                hash=entry.hash,
                created_at=entry.created_at,
            )
            for entry in entries
        ],
        **_numbers(page, page_size, total),
    )


def _numbers(page: int, page_size: int, total: int) -> dict[str, int]:
    return {
        "page": page,
        "page_size": page_size,
        "total_count": total,
        "total_pages": page_count(total, page_size),
    }


def account_view(found: AccountFacts) -> AccountView:
    """The account in credits."""
    return AccountView(
        id=found.id,
        email=found.email,
        mail_address=found.mail_address,
        created_at=found.created_at,
        frozen_at=found.frozen_at,
        paid=found.paid,
        amount=to_credits(found.balance),
        reserved=to_credits(found.reserved),
        available=to_credits(found.balance - found.reserved),
        debt=to_credits(found.debt),
        open_calls=found.open_calls,
    )
