"""
/api/v1/jobs: texts that are too long to wait for.

A job is paid once, when all of it was delivered; until then its credit is held. One that fails or
is cancelled costs nothing.
"""

from datetime import datetime
from typing import Annotated, Final, Literal
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from billing.money import to_credits
from control_plane.api_keys import Scope
from control_plane.audio.port import AudioFormat
from control_plane.callers import ApiCaller, needs_scope
from control_plane.http_errors import parse_json
from control_plane.idempotency import answered_once
from control_plane.limits.doors import limited
from control_plane.openapi import body_of
from control_plane.routes.v1_speech import SpeechWish, wish_of
from control_plane.services import CurrentServices, Services
from control_plane.speech.links import link_to
from control_plane.speech_jobs import submission
from control_plane.speech_jobs.errors import JobNotFound
from control_plane.speech_jobs.progress import ENDED
from control_plane.store import speech_jobs as store
from control_plane.store.speech_jobs import Job
from control_plane.tts.port import InputTooLong
from control_plane.v1_errors import program_errors
from shared.db import transaction

router = APIRouter(tags=["v1"], dependencies=[limited("v1")])

PAGE_MAX: Final = 100

CallerOfJobs = Annotated[ApiCaller, needs_scope(Scope.JOBS)]
JobStatus = Literal["queued", "running", "succeeded", "failed", "cancelled"]


class JobRequest(SpeechWish):
    """As for speech, with a long `input` and every format."""

    input: Annotated[str, Field(min_length=1)]
    response_format: Literal["wav", "mp3", "opus", "flac", "aac", "pcm"] | None = None


class JobParts(BaseModel):
    done: int
    total: int


class JobError(BaseModel):
    code: str


class JobUsage(BaseModel):
    """`model` is the provider's, that did the work."""

    input_characters: int
    model: str
    duration_ms: int


class JobView(BaseModel):
    """
    `url` (good for a day), `credits_used` and `usage` are there once it has succeeded, `error` once
    it has failed. `progress` goes from 0 to 1.
    """

    id: UUID
    object: Literal["speech.job"] = "speech.job"
    status: JobStatus
    progress: float
    parts: JobParts
    model: str
    voice_id: UUID
    response_format: str
    input_characters: int
    url: str | None
    credits_used: int | float | None
    usage: JobUsage | None
    error: JobError | None
    charge_id: UUID
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None


class Jobs(BaseModel):
    """`next_before`, where there is more, is what to send as `before` for the next page."""

    data: list[JobView]
    next_before: UUID | None


@router.post(
    "/api/v1/jobs",
    status_code=202,
    openapi_extra=body_of(JobRequest),
    response_model=JobView,
    responses=program_errors(400, 401, 402, 403, 404, 409, 413, 429, 500, 503),
)
async def create_job(request: Request, services: CurrentServices, caller: CallerOfJobs) -> Response:
    """Hold the credit for a long text and queue it."""
    body = await request.body()
    wanted = parse_json(JobRequest, body)
    wanted.check()
    _check_length(wanted.input, services.settings.speech_job_characters_max)
    wish = wish_of(
        wanted, text=wanted.input, request=request, response_format=wanted.response_format
    )

    async def produce(charge_key: str) -> Response:
        job = await submission.submit(
            services.pool,
            services.studio,
            caller,
            wish,
            settings=services.settings,
            charge_key=charge_key,
        )
        return await _accepted(services, job)

    return await answered_once(services, request, owner=caller.user_id, body=body, produce=produce)


@router.get("/api/v1/jobs", responses=program_errors(400, 401, 403, 429, 503))
async def list_jobs(
    services: CurrentServices,
    caller: CallerOfJobs,
    before: Annotated[UUID | None, Query(description="Jobs older than this one")] = None,
    limit: Annotated[int, Query(ge=1, le=PAGE_MAX)] = 20,
) -> Jobs:
    """The account's jobs, newest first."""
    async with transaction(services.pool) as tx:
        found = await store.page(tx, owner=caller.user_id, before=before, limit=limit + 1)
    shown = found[:limit]
    return Jobs(
        data=[await job_view(services, job) for job in shown],
        next_before=shown[-1].id if len(found) > limit else None,
    )


@router.get("/api/v1/jobs/{job_id}", responses=program_errors(401, 403, 404, 429, 503))
async def get_job(job_id: UUID, services: CurrentServices, caller: CallerOfJobs) -> JobView:
    """How far it is, and the audio when it has ended."""
    return await job_view(services, await found_job(services, job_id, caller))


@router.post("/api/v1/jobs/{job_id}/cancel", responses=program_errors(401, 403, 404, 409, 429, 503))
async def cancel_job(job_id: UUID, services: CurrentServices, caller: CallerOfJobs) -> JobView:
    """End it without a debit; once it has succeeded or failed it is too late (409)."""
    return await job_view(services, await submission.cancel(services.pool, caller, job_id))


def _check_length(text: str, limit: int) -> None:
    if len(text) > limit:
        raise InputTooLong(
            f"The input exceeds the maximum length of {limit} characters", param="input"
        )


async def _accepted(services: Services, job: Job) -> JSONResponse:
    view = await job_view(services, job)
    return JSONResponse(
        view.model_dump(mode="json"),
        status_code=202,
        headers={"location": f"/api/v1/jobs/{job.id}"},
    )


async def found_job(services: Services, job_id: UUID, caller: ApiCaller) -> Job:
    """Raises JobNotFound, for other accounts' jobs too."""
    async with transaction(services.pool) as tx:
        job = await store.find(tx, job_id=job_id, owner=caller.user_id)
    if job is None:
        raise JobNotFound
    return job


async def job_view(services: Services, job: Job) -> JobView:
    wish = job.wish
    audio_format = AudioFormat(wish["response_format"])
    delivered = job.object_key is not None
    return JobView(
        id=job.id,
        status=job.state,
        progress=1.0 if job.state == "succeeded" else _progress(job),
        parts=JobParts(done=job.parts_done, total=job.parts_total),
        model=wish["model"],
        voice_id=UUID(wish["voice_id"]),
        response_format=str(audio_format),
        input_characters=job.input_characters,
        url=await link_to(services.objects, job.object_key, audio_format)
        if job.object_key
        else None,
        credits_used=to_credits(job.cost) if job.state in ENDED else None,
        usage=JobUsage(
            input_characters=job.input_characters,
            model=job.provider_model or "",
            duration_ms=job.duration_ms or 0,
        )
        if delivered
        else None,
        error=JobError(code=job.error_code) if job.error_code else None,
        charge_id=job.charge_id,
        created_at=job.created_at,
        started_at=job.started_at,
        ended_at=job.ended_at,
    )


def _progress(job: Job) -> float:
    """Joining and storing is as much as one part."""
    return round(job.parts_done / (job.parts_total + 1), 4)
