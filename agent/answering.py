"""What a job does with a dispatch: ask for the call, hold it, and leave nothing open."""

import asyncio
from typing import TYPE_CHECKING
from uuid import UUID

import structlog
from livekit.agents import AutoSubscribe, JobContext

from agent.call import Call
from agent.charging_client import Refused, Unknown
from agent.engines import NoEngine
from agent.journal import SlotState
from agent.phone.line import LAST_WORDS_S, hang_up, receive, with_caller
from agent.slots import Slot
from shared.call_protocol import CallConfig, StartCall
from shared.end_reasons import EndReason
from shared.log import get_logger
from shared.phone_protocol import PHONE_DISPATCH

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
        is_phone = context.job.metadata == PHONE_DISPATCH
        named = await receive(context, cell, connecting) if is_phone else _named_call(context)
        config = await _start(named, context, cell) if named else None
        if config:
            slot.begin(config)
            call = await _call_of(config, context, cell, slot, connecting)
            await _hold(call, connecting)
            if config.channel == "phone" and call.is_ours:
                await hang_up(context, after_s=LAST_WORDS_S)  # though a close is held up
        else:
            # A join that is cut off in the middle leaves a ghost in the room.
            await asyncio.wait([connecting], timeout=JOIN_MAX_S)
    finally:
        if slot:
            cell.pool.release(slot)
        context.shutdown("call over")


async def _call_of(
    config: CallConfig,
    context: JobContext,
    cell: "Cell",
    slot: Slot,
    connecting: "asyncio.Task[None]",
) -> Call:
    """Ready to be held. One that cannot begin is over, or its slot would never be free again."""
    # A telephone's line comes back soon or never; a model does on it as anywhere.
    provider_limit_s = config.rejoin_limit_s
    try:
        if config.channel == "phone":
            config = await with_caller(config, context.room, connecting)
        return Call(context, cell, config, slot, provider_limit_s=provider_limit_s)
    except BaseException as problem:
        if isinstance(problem, NoEngine):  # the operator's to repair, so it names the settings
            log.error("call_without_engine", model=config.model, reason=str(problem))  # noqa: TRY400
        slot.write(SlotState.ENDED, config.seconds, EndReason.AGENT_ERROR)
        raise


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


def _named_call(context: JobContext) -> UUID | None:
    """The call this dispatch names."""
    try:
        return UUID(context.job.metadata)
    except ValueError:
        log.warning("dispatch_names_no_call", job_id=context.job.id)
        return None


async def _start(call_id: UUID, context: JobContext, cell: "Cell") -> CallConfig | None:
    """The call as the control plane gives it to us, or None when it is not ours to hold."""
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
