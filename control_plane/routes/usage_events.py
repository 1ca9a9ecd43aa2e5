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
from control_plane.store.usage import Used
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
    """One ended call or one generation, `occurred_at` its end."""

    id: UUID
    source_type: SourceType
    source_id: UUID
    unit: str
    quantity: int
    credits_used: int | float
    model: str
    duration_seconds: int | float
    occurred_at: datetime
    metadata: dict[str, Any]
    input_chars: int | None = None
    api_key_id: UUID | None = None
    request_id: str | None = None


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
    summaries = {}
    async with transaction(services.pool) as tx:
        total = await usage.count(tx, owner=user_id, source=source_type)
        events = await usage.list_used(
            tx,
            owner=user_id,
            source=source_type,
            limit=page_size,
            offset=(page - 1) * page_size,
        )
        if include_summary:
            sums = await usage.sums(tx, user_id)
            summaries = {
                "monthly_summary": _summary(
                    {row.source_type: (row.month_cost, row.month_operations) for row in sums}
                ),
                "all_time_summary": _summary(
                    {row.source_type: (row.cost, row.operations) for row in sums}
                ),
            }
    return UsagePage(
        data=[_event(used) for used in events],
        page=page,
        page_size=page_size,
        total_count=total,
        total_pages=page_count(total, page_size),
        **summaries,
    )


def _event(used: Used) -> UsageEvent:
    """A call has none of the fields that only generations have."""
    seconds, rest_ms = divmod(used.duration_ms, 1_000)
    of_generation: dict[str, Any] = {}
    if used.input_chars is not None:
        of_generation = {
            "input_chars": used.input_chars,
            "api_key_id": used.api_key_id,
            "request_id": used.request_id,
        }
    return UsageEvent(
        id=used.id,
        source_type=SourceType(used.source_type),
        source_id=used.source_id,
        unit=used.unit,
        quantity=used.quantity,
        credits_used=to_credits(used.cost),
        model=used.model,
        duration_seconds=seconds if rest_ms == 0 else used.duration_ms / 1_000,
        occurred_at=used.occurred_at,
        metadata={},
        **of_generation,
    )


def _summary(totals: dict[str, tuple[int, int]]) -> Summary:
    """All six sources; costs in micro-credits and numbers of operations by source."""
    rows = {source: totals.get(source, (0, 0)) for source in SourceType}
    return Summary(
        by_source_type={
            source: SourceSummary(credits=to_credits(cost), count=operations)
            for source, (cost, operations) in rows.items()
        },
        total_credits=to_credits(sum(cost for cost, _ in rows.values())),
        total_operations=sum(operations for _, operations in rows.values()),
    )
