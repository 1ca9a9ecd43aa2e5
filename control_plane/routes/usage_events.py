"""GET /api/usage-events: what was used, in upstream's words and spelling."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel

from billing.money import to_credits
from control_plane.routes.answers import PAGE_SIZE, Answer, PageNumber, PageSize, errors, page_count
from control_plane.services import CurrentServices, SignedIn
from control_plane.store import usage
from control_plane.store.usage import EndedCall
from shared.db import transaction

router = APIRouter(tags=["usage"])


class SourceType(StrEnum):
    TTS = "tts"
    VOICE_CLONING = "voice_cloning"
    LIVE_CALL = "live_call"
    AUDIO_PROCESSING = "audio_processing"
    API_TTS = "api_tts"
    API_VOICE_CLONING = "api_voice_cloning"


class UsageEvent(BaseModel):
    """One ended call, `occurred_at` its end."""

    id: UUID
    source_type: SourceType
    source_id: UUID
    unit: str
    quantity: int
    credits_used: int | float
    model: str
    duration_seconds: int
    occurred_at: datetime
    metadata: dict[str, Any]


class SourceSummary(Answer):
    credits: int | float
    count: int


class Summary(Answer):
    by_source_type: dict[SourceType, SourceSummary]
    total_credits: int | float
    total_operations: int


class UsagePage(Answer):
    data: list[UsageEvent]
    page: int
    page_size: int
    total_count: int
    total_pages: int
    monthly_summary: Summary | None = None
    all_time_summary: Summary | None = None


@router.get("/api/usage-events", responses=errors(400, 401, 503), response_model_exclude_unset=True)
async def list_usage_events(
    *,
    services: CurrentServices,
    user_id: SignedIn,
    page: PageNumber = 1,
    page_size: PageSize = PAGE_SIZE,
    source_type: Annotated[SourceType | None, Query(alias="sourceType")] = None,
    include_summary: Annotated[bool, Query(alias="includeSummary")] = False,
) -> UsagePage:
    """What the account has used, newest first; the summaries cover every source."""
    total, events, summaries = 0, [], {}
    async with transaction(services.pool) as tx:
        if source_type in (None, SourceType.LIVE_CALL):  # nothing else exists yet
            offset = (page - 1) * page_size
            total = await usage.count_ended(tx, user_id)
            events = await usage.list_ended(tx, owner=user_id, limit=page_size, offset=offset)
        if include_summary:
            sums = await usage.sum_ended(tx, user_id)
            summaries = {
                "monthly_summary": _summary(sums.month_cost, sums.month_operations),
                "all_time_summary": _summary(sums.cost, sums.operations),
            }
    return UsagePage(
        data=[_event(call) for call in events],
        page=page,
        page_size=page_size,
        total_count=total,
        total_pages=page_count(total, page_size),
        **summaries,
    )


def _event(call: EndedCall) -> UsageEvent:
    return UsageEvent(
        id=call.id,
        source_type=SourceType.LIVE_CALL,
        source_id=call.id,
        unit="secs",
        quantity=call.seconds,
        credits_used=to_credits(call.cost),
        model=call.model,
        duration_seconds=call.seconds,
        occurred_at=call.ended_at,
        metadata={},
    )


def _summary(cost: int, operations: int) -> Summary:
    """All six sources; only calls have anything yet."""
    nothing = SourceSummary(credits=0, count=0)
    calls = SourceSummary(credits=to_credits(cost), count=operations)
    return Summary(
        by_source_type={
            source: calls if source is SourceType.LIVE_CALL else nothing for source in SourceType
        },
        total_credits=to_credits(cost),
        total_operations=operations,
    )
