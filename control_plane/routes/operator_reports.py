"""/api/operator/reports: the review queue."""

from collections.abc import Awaitable, Callable
from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Final, Literal
from uuid import UUID

from fastapi import APIRouter
from pydantic import Field
from starlette.requests import Request

from control_plane.auth import Identity
from control_plane.callers import Role, needs_role
from control_plane.http_errors import parse_json
from control_plane.openapi import body_of
from control_plane.routes.answers import Answer, errors
from control_plane.routes.operator_actions import Reasoned
from control_plane.safety import reports
from control_plane.services import CurrentServices, Services
from control_plane.store import reports as store
from shared.db import transaction

router = APIRouter(tags=["operators"])

LISTED_MAX: Final = 100

Support = Annotated[Identity, needs_role(Role.SUPPORT)]
Change = Callable[..., Awaitable[int]]


class ReportView(Answer):
    """The last three are null while the report is open."""

    id: UUID
    user_id: UUID
    call_id: UUID | None
    character_id: UUID | None
    category: str
    words: str | None
    created_at: datetime
    resolved_at: datetime | None
    resolved_by: str | None
    resolution: str | None


class Reports(Answer):
    data: list[ReportView]


class ReportsWish(Reasoned):
    """`reason`: what was done about them, or why they need another look."""

    report_ids: list[UUID] = Field(default=[], max_length=LISTED_MAX)


class Changed(Answer):
    """How many; the others somebody else had changed before."""

    count: int


@router.get(
    "/api/operator/reports",
    responses=errors(400, 401, 403, 503),
    dependencies=[needs_role(Role.SUPPORT)],
)
async def list_reports(
    services: CurrentServices, state: Literal["open", "resolved"] = "open"
) -> Reports:
    """What waits for somebody to look at it, the oldest first; or what was closed last."""
    listed = store.list_open if state == "open" else store.list_resolved
    async with transaction(services.pool) as tx:
        found = await listed(tx, limit=LISTED_MAX)
    return Reports(data=[ReportView(**asdict(one)) for one in found])


@router.post(
    "/api/operator/reports/resolve",
    openapi_extra=body_of(ReportsWish),
    responses=errors(400, 401, 403, 413, 503),
)
async def resolve_reports(request: Request, services: CurrentServices, staff: Support) -> Changed:
    """Close reports."""
    return await _change(reports.resolve, request, services, staff)


@router.post(
    "/api/operator/reports/reopen",
    openapi_extra=body_of(ReportsWish),
    responses=errors(400, 401, 403, 413, 503),
)
async def reopen_reports(request: Request, services: CurrentServices, staff: Support) -> Changed:
    """Put closed reports back into the queue."""
    return await _change(reports.reopen, request, services, staff)


async def _change(change: Change, request: Request, services: Services, staff: Identity) -> Changed:
    wish = parse_json(ReportsWish, await request.body())
    async with transaction(services.pool) as tx:
        count = await change(tx, wish.report_ids, actor=staff.subject, reason=wish.reason)
    return Changed(count=count)
