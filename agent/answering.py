"""What a job does with a dispatch: ask for the call, hold it, and leave nothing open."""

import asyncio
from typing import TYPE_CHECKING
from uuid import UUID

import structlog
from livekit.agents import AutoSubscribe, JobContext

from agent.call import Call
from agent.charging_client import Refused, Unknown
from shared.call_protocol import CallConfig, StartCall
from shared.end_reasons import EndReason
from shared.log import get_logger

if TYPE_CHECKING:
    from agent.cell import Cell

log = get_logger(__name__)

START_MAX_S = 5.0  # after that the caller has been told and somebody else was dispatched
START_RETRY_S = 0.25
JOIN_MAX_S = 10.0


async def answer_job(context: JobContext, cell: "Cell") -> None:
    """The whole life of one job. Returns when the caller was let go."""
    structlog.contextvars.bind_contextvars(process="agent", job_id=context.job.id)
    slot = cell.pool.reserve()
    try:
        if slot is None:
            log.warning("job_without_slot", job_id=context.job.id)
            return
        # The room is joined while the control plane is asked: the caller waits for both.
        connecting = asyncio.create_task(context.connect(auto_subscribe=AutoSubscribe.AUDIO_ONLY))
        config = await _start(context, cell)
        if config:
            slot.begin(config)
            await _hold(Call(context, cell, config, slot), connecting)
        else:
            # A join that is cut off in the middle leaves a ghost in the room.
            await asyncio.wait([connecting], timeout=JOIN_MAX_S)
    finally:
        if slot:
            cell.pool.release(slot)
        context.shutdown("call over")


async def _hold(call: Call, connecting: "asyncio.Task[None]") -> None:
    try:
        await call.hold(connecting)
    except ExceptionGroup as group:
        for problem in group.exceptions:
            log.exception("call_failed", call_id=str(call.config.call_id), exc_info=problem)
    except Exception:
        log.exception("call_failed", call_id=str(call.config.call_id))
    finally:
        call.end(EndReason.AGENT_ERROR)  # says nothing when the call has ended already
    await call.leave()


async def _start(context: JobContext, cell: "Cell") -> CallConfig | None:
    """The call this dispatch names, or None when it is not ours to hold."""
    try:
        call_id = UUID(context.job.metadata)
    except ValueError:
        log.warning("dispatch_names_no_call", job_id=context.job.id)
        return None
    request = StartCall(worker_id=cell.journal.worker_id, job_id=context.job.id)
    try:
        async with asyncio.timeout(START_MAX_S):
            while True:
                try:
                    return await cell.ask(cell.client.start(call_id, request))
                except Unknown as problem:
                    log.warning("start_unanswered", call_id=str(call_id), error=str(problem))
                await asyncio.sleep(START_RETRY_S)
    except Refused as refusal:
        log.info("start_refused", call_id=str(call_id), status=refusal.status)
    except TimeoutError:
        log.warning("start_given_up", call_id=str(call_id))
    return None
