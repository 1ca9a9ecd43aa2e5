"""GET /api/billing/usage: what programs have used, in buckets of time. Never in money."""

from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from typing import Annotated, Final, Literal, Self
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, model_validator

from billing.money import to_credits
from control_plane.routes.answers import errors
from control_plane.services import CurrentServices, SignedIn
from control_plane.store import speech_usage
from control_plane.store.speech_usage import Bucket
from shared.db import transaction
from shared.errors import Invalid

router = APIRouter(tags=["usage"])

DAY_S: Final = 24 * 3_600
WIDTHS_S: Final = {"1d": DAY_S, "7d": 7 * DAY_S}
DEFAULT_RANGE: Final = timedelta(days=30)
RANGE_MAX: Final = timedelta(days=366)  # a year's comparison; more is an export
EPOCH_S_MAX: Final = 4_102_444_800  # the year 2100
ROWS_MAX: Final = 10_000  # a year of days with a few dozen keys


class ApiSource(StrEnum):
    API_TTS = "api_tts"
    API_VOICE_CLONING = "api_voice_cloning"


class UsageQuery(BaseModel):
    """Dates, or seconds since 1970, which count more; the end is not included."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    starting_on: date | None = None
    ending_before: date | None = None
    start_time: Annotated[int | None, Query(ge=0, le=EPOCH_S_MAX)] = None
    end_time: Annotated[int | None, Query(ge=0, le=EPOCH_S_MAX)] = None
    bucket_width: Literal["1d", "7d"] = "1d"
    group_by: Literal["source_type", "api_key_id", "model"] | None = None
    source_type: ApiSource | None = None
    api_key_id: UUID | None = None

    @model_validator(mode="after")
    def _dates_can_be_reckoned_with(self) -> Self:
        for day in (self.starting_on, self.ending_before):
            if day is not None and not 1970 <= day.year <= 2099:  # noqa: PLR2004 - as EPOCH_S_MAX
                raise ValueError("dates are from 1970 to 2099")
        return self

    def range(self, now: datetime) -> tuple[datetime, datetime]:
        """Raises Invalid unless the start is before the end, at most a year."""
        end = _moment(self.end_time, self.ending_before) or now
        start = _moment(self.start_time, self.starting_on) or end - DEFAULT_RANGE
        if start >= end:
            raise Invalid("Invalid query parameters", details="the start must be before the end")
        if end - start > RANGE_MAX:
            raise Invalid("Invalid query parameters", details="at most 366 days")
        return start, end


def _moment(epoch_s: int | None, day: date | None) -> datetime | None:
    if epoch_s is not None:
        return datetime.fromtimestamp(epoch_s, UTC)
    return None if day is None else datetime.combine(day, time(), UTC)


class UsageResult(BaseModel):
    """What the rows are not grouped by is null."""

    source_type: str | None
    api_key_id: UUID | None
    model: str | None
    requests: int
    total_input_chars: int
    total_output_chars: int
    total_duration_seconds: float
    total_credits_used: int | float


class UsageBucket(BaseModel):
    object: Literal["bucket"] = "bucket"
    start_time: int
    start_time_iso: datetime
    end_time: int
    end_time_iso: datetime
    results: list[UsageResult]


class UsageBuckets(BaseModel):
    """Only buckets in which something was used, oldest first; they begin at midnight UTC."""

    object: Literal["list"] = "list"
    bucket_width: str
    group_by: str | None
    source_type: ApiSource | None
    api_key_id: UUID | None
    start_time: int
    start_time_iso: datetime
    end_time: int
    end_time_iso: datetime
    data: list[UsageBucket]


@router.get("/api/billing/usage", responses=errors(400, 401, 503))
async def get_usage(
    services: CurrentServices, user_id: SignedIn, query: Annotated[UsageQuery, Query()]
) -> UsageBuckets:
    """What the account's programs have used."""
    start, end = query.range(services.clock.now())
    width_s = WIDTHS_S[query.bucket_width]
    sources = [query.source_type] if query.source_type else list(ApiSource)
    async with transaction(services.pool) as tx:
        rows = await speech_usage.buckets(
            tx,
            owner=user_id,
            since=start,
            before=end,
            sources=[str(source) for source in sources],
            width_s=width_s,
            group_by=query.group_by,
            api_key_id=query.api_key_id,
            limit=ROWS_MAX,
        )
    return UsageBuckets(
        bucket_width=query.bucket_width,
        group_by=query.group_by,
        source_type=query.source_type,
        api_key_id=query.api_key_id,
        start_time=int(start.timestamp()),
        start_time_iso=start,
        end_time=int(end.timestamp()),
        end_time_iso=end,
        data=_buckets(rows, timedelta(seconds=width_s)),
    )


def _buckets(rows: list[Bucket], width: timedelta) -> list[UsageBucket]:
    buckets: list[UsageBucket] = []
    for row in rows:
        if not buckets or buckets[-1].start_time_iso != row.start_time:
            end = row.start_time + width
            bucket = UsageBucket(
                start_time=int(row.start_time.timestamp()),
                start_time_iso=row.start_time,
                end_time=int(end.timestamp()),
                end_time_iso=end,
                results=[],
            )
            buckets.append(bucket)
        buckets[-1].results.append(_result(row))
    return buckets


def _result(row: Bucket) -> UsageResult:
    return UsageResult(
        source_type=row.source_type,
        api_key_id=row.api_key_id,
        model=row.model,
        requests=row.requests,
        total_input_chars=row.input_chars,
        total_output_chars=row.output_chars,
        total_duration_seconds=row.duration_ms / 1_000,
        total_credits_used=to_credits(row.cost),
    )
