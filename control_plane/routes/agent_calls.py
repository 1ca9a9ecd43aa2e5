"""
/internal/v1: what agent workers report and ask. Not in the public schema, never exposed.

The wire contract is `shared/call_protocol.py`. Settling is the busiest request of all (20
calls of a worker group every few seconds), so it goes from bytes to SQL and back without a detour.
"""

from collections import Counter
from typing import Final
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from billing import charging
from billing.errors import CallNotFound
from control_plane.briefing import brief
from control_plane.calls import end_call_room
from control_plane.http_errors import parse_json
from control_plane.services import CurrentServices, TrustedWorker
from control_plane.store import after_calls, call_events, call_history, phone, workers
from shared import metrics
from shared.call_protocol import (
    CloseAnswer,
    CloseCall,
    Grant,
    Notice,
    SettleAnswer,
    SettleReport,
    Standing,
    StartCall,
    TranscriptReport,
    WorkerReport,
)
from shared.db import transaction
from shared.end_reasons import ENDINGS
from shared.errors import Fenced
from shared.log import get_logger

log = get_logger(__name__)

router = APIRouter(prefix="/internal/v1", dependencies=[TrustedWorker], include_in_schema=False)

NO_CONTENT: Final = 204
NOTICE_S: Final = 0.5  # the end of the room overtakes what was sent just before it
FAREWELL_S: Final = 1.0  # the agent needs a tenth of it; nothing is billed any more


@router.post("/workers")
async def report_worker(request: Request, services: CurrentServices) -> Response:
    """A heartbeat of a worker group."""
    report = parse_json(WorkerReport, await request.body())
    async with transaction(services.pool) as tx:
        await workers.report(tx, worker_id=report.worker_id, slots=report.slots)
    services.workers.add(report.worker_id)
    return Response(status_code=NO_CONTENT)


@router.post("/calls/settle")
async def settle_calls(request: Request, services: CurrentServices) -> Response:
    """Watermarks in, grants out. Raises UnknownWorker for a worker that never reported."""
    report = parse_json(SettleReport, await request.body())
    await services.workers.check(services.pool, report.worker_id)
    grants = await services.settler.settle(report.calls)
    _count_refused(grants)
    return _json(SettleAnswer.model_construct(calls=grants))


@router.post("/calls/{call_id}/start")
async def start_call(call_id: UUID, request: Request, services: CurrentServices) -> Response:
    """Everything an agent may know of its call."""
    order = parse_json(StartCall, await request.body())
    async with transaction(services.pool) as tx:
        started = await charging.start(
            tx, call_id=call_id, worker_id=order.worker_id, job_id=order.job_id
        )
        config = await brief(tx, started, services.settings)
    return _json(config)


@router.post("/calls/{call_id}/close")
async def close_call(call_id: UUID, request: Request, services: CurrentServices) -> Response:
    """Settle a call for good; its room goes too."""
    order = parse_json(CloseCall, await request.body())
    async with transaction(services.pool) as tx:
        room = await phone.room_of(tx, call_id)
        closed = await charging.close(
            tx,
            call_id=call_id,
            epoch=order.epoch,
            seconds=order.seconds,
            reason=order.reason,
            closed_by=order.source,
            source=order.source,
        )
    if not closed.already_closed:
        metrics.CALLS_ENDED.labels(closed.end_reason).inc()
        metrics.SETTLED_SECONDS.inc(closed.seconds)
    # An agent that closes its own call tells the caller itself; a dead one cannot.
    is_alive = order.source == "agent"
    notice = Notice(kind="agent_lost", message=ENDINGS[order.reason].words)
    ending = end_call_room(
        services.livekit,
        call_id,
        after_s=FAREWELL_S if is_alive else NOTICE_S,
        notice=None if is_alive else notice,
        room_name=room.room_name if room else None,
    )
    services.background.start(ending, kind="delete_room")
    answer = CloseAnswer(
        id=call_id,
        seconds=closed.seconds,
        end_reason=closed.end_reason,
        already_closed=closed.already_closed,
    )
    return _json(answer)


@router.post("/calls/{call_id}/transcript")
async def report_transcript(call_id: UUID, request: Request, services: CurrentServices) -> Response:
    """Keep what was said, also after the end. Raises Fenced for another agent's report."""
    report = parse_json(TranscriptReport, await request.body(), allow_nul=True)
    async with transaction(services.pool) as tx:
        epoch = await call_history.epoch_of(tx, call_id)
        if epoch is None:
            raise CallNotFound
        if epoch != report.epoch:
            raise Fenced
        retention = services.settings.call_retention
        if report.items and await after_calls.takes_texts(tx, call_id, default_retention=retention):
            await call_history.insert_transcript(tx, call_id, report.items)
        await call_history.put_gaps(tx, call_id, report.gaps)
        new = await call_events.insert(tx, call_id, report.events)
        language = await call_events.language_of(tx, call_id) if new else ""
    for kind in new:
        metrics.CALL_EVENTS.labels(kind, language).inc()
        log.info("call_event", call_id=str(call_id), kind=kind)
    return Response(status_code=NO_CONTENT)


def _json(answer: BaseModel) -> Response:
    return Response(answer.model_dump_json(), media_type="application/json")


def _count_refused(grants: list[Grant]) -> None:
    refused = Counter(grant.standing for grant in grants if grant.standing is not Standing.OPEN)
    for standing, count in refused.items():
        metrics.REPORTS_REFUSED.labels(standing).inc(count)
