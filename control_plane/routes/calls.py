"""POST /api/call-token, and an account's calls."""

from datetime import datetime
from uuid import UUID

from fastapi import APIRouter
from starlette.requests import Request

from billing.errors import CallNotFound
from billing.money import to_credits
from control_plane.call_request import CallRequest
from control_plane.call_view import CallView, Line, Pause, view_of
from control_plane.calls import place_call
from control_plane.limits.doors import limited
from control_plane.openapi import body_of
from control_plane.routes.answers import PAGE_SIZE, Answer, PageNumber, PageSize, errors, page_count
from control_plane.services import CurrentServices, SignedIn
from control_plane.store import after_calls, call_history
from shared import metrics
from shared.db import transaction
from shared.errors import AppError

router = APIRouter(tags=["calls"])


class CallToken(Answer):
    access_token: str
    url: str
    call_id: UUID
    expires_at: datetime
    credits_per_minute: int | float
    max_seconds: int
    disclosure: str  # to be shown before the call; the agent says it, too


class CallPage(Answer):
    data: list[CallView]
    page: int
    page_size: int
    total_count: int
    total_pages: int


class CallInFull(CallView):
    transcript: list[Line]
    gaps: list[Pause]


@router.post(
    "/api/call-token",
    openapi_extra=body_of(CallRequest),
    responses=errors(400, 401, 402, 403, 404, 409, 413, 429, 503),
    dependencies=[limited("call_token")],
)
async def create_call_token(
    request: Request, services: CurrentServices, user_id: SignedIn
) -> CallToken:
    """Start a call: a token for one room, with the first seconds already paid for."""
    body = await request.body()  # before any lock is held; understood after the money checks
    try:
        placed = await place_call(services, user_id, body)
    except AppError as refused:
        metrics.CALL_TOKENS.labels(refused.code).inc()
        raise
    metrics.CALL_TOKENS.labels("ok").inc()
    return CallToken(
        access_token=placed.token,
        url=services.settings.browser_url,
        call_id=placed.call_id,
        expires_at=placed.expires_at,
        credits_per_minute=to_credits(placed.price_microcredits_per_minute),
        max_seconds=placed.max_seconds,
        disclosure=placed.disclosure,
    )


@router.get("/api/calls", responses=errors(400, 401, 503))
async def list_calls(
    services: CurrentServices,
    user_id: SignedIn,
    page: PageNumber = 1,
    page_size: PageSize = PAGE_SIZE,
) -> CallPage:
    """The account's calls, newest first."""
    offset = (page - 1) * page_size
    async with transaction(services.pool) as tx:
        total = await call_history.count_calls(tx, user_id)
        calls = await call_history.list_calls(tx, owner=user_id, limit=page_size, offset=offset)
        heads = await after_calls.headlines(tx, owner=user_id, call_ids=[call.id for call in calls])
    return CallPage(
        data=[view_of(call, heads.get(call.id)) for call in calls],
        page=page,
        page_size=page_size,
        total_count=total,
        total_pages=page_count(total, page_size),
    )


@router.get("/api/calls/{call_id}", responses=errors(401, 404, 503))
async def get_call(call_id: UUID, services: CurrentServices, user_id: SignedIn) -> CallInFull:
    """One call with what was said. Somebody else's is as unknown as one that never was."""
    async with transaction(services.pool) as tx:
        call = await call_history.find_call(tx, call_id=call_id, owner=user_id)
        if call is None:
            raise CallNotFound
        turns = await call_history.transcript_of(tx, call_id=call_id, owner=user_id)
        heads = await after_calls.headlines(tx, owner=user_id, call_ids=[call_id])
        gaps = await call_history.gaps_of(tx, call_id=call_id, owner=user_id)
    return CallInFull(
        **view_of(call, heads.get(call_id)).model_dump(),
        transcript=[
            Line(role=turn.role, text=turn.text, at=turn.at_s, interrupted=turn.interrupted)
            for turn in turns
        ],
        gaps=[Pause(at=gap.at_s, lasted=gap.lasted_s, cause=gap.cause) for gap in gaps],
    )
