"""GET /api/v1/jobs/{id}/events: the progress of a job as Server-Sent Events."""

from collections.abc import AsyncGenerator
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, Header
from starlette.responses import Response

from control_plane.callers import ApiCaller
from control_plane.limits.doors import limited
from control_plane.routes.attendance import ClosingStream
from control_plane.routes.v1_jobs import CallerOfJobs, found_job, job_view
from control_plane.services import CurrentServices, Services
from control_plane.speech_jobs.progress import Listeners, progress_events
from control_plane.store.speech_jobs import Job
from control_plane.v1_errors import program_errors

EVENT_ID_MAX: Final = 2**62
STREAM_HEADERS: Final = {"x-accel-buffering": "no"}  # proxies must not gather it


def job_events_router(listeners: Listeners) -> APIRouter:
    """Those who listen take a place among `listeners`."""
    router = APIRouter(tags=["v1"], dependencies=[limited("v1")])

    @router.get(
        "/api/v1/jobs/{job_id}/events",
        response_class=Response,
        responses={
            **program_errors(400, 401, 403, 404, 429, 503),
            200: {"description": "Progress", "content": {"text/event-stream": {}}},
        },
    )
    async def follow_job(
        job_id: UUID,
        services: CurrentServices,
        caller: CallerOfJobs,
        last_event_id: Annotated[int, Header(ge=0, le=EVENT_ID_MAX)] = 0,
    ) -> Response:
        """Server-Sent Events: `job.progress` until `job.succeeded`, `.failed` or `.cancelled`."""
        await found_job(services, job_id, caller)
        events = _followed(services, listeners, job_id, caller, seen=last_event_id)
        opening = await anext(events)  # refused before the answer begins, when all places are taken
        return ClosingStream(
            _resumed(opening, events), media_type="text/event-stream", headers=STREAM_HEADERS
        )

    return router


async def _followed(
    services: Services, listeners: Listeners, job_id: UUID, caller: ApiCaller, *, seen: int
) -> AsyncGenerator[bytes, None]:
    async def look() -> Job:
        return await found_job(services, job_id, caller)

    async def view(job: Job) -> dict[str, Any]:
        return (await job_view(services, job)).model_dump(mode="json")

    with listeners.place():
        async for event in progress_events(look, view, seen=seen, clock=services.clock):
            yield event


async def _resumed(
    opening: bytes, events: AsyncGenerator[bytes, None]
) -> AsyncGenerator[bytes, None]:
    try:
        yield opening
        async for event in events:
            yield event
    finally:
        await events.aclose()
