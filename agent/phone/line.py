"""A telephone line: who is on it, the reception, the hang-up. Called by `agent/answering.py`."""

import asyncio
from typing import TYPE_CHECKING
from uuid import UUID

import aiohttp
from livekit import api, rtc
from livekit.agents import JobContext

from agent.charging_client import AnswerT, Unknown
from agent.phone.desk_client import DeskClient
from agent.phone.keypad import Keypad
from agent.phone.reception import Reception
from agent.phone.speaker import Speaker
from shared.call_protocol import CallConfig
from shared.log import get_logger
from shared.phone_protocol import NUMBER_CHARS_MAX

if TYPE_CHECKING:
    from pydantic import BaseModel

    from agent.cell import Cell

log = get_logger(__name__)

CALLER_WAIT_S = 10.0  # the room is made by the caller's own joining
# Twenty languages read out take two minutes. Whoever needs longer is no person, and the line costs.
RECEPTION_MAX_S = 240.0
HANG_UP_S = 3.0
LAST_WORDS_S = 1.5  # what was paid for is still on its way; the close ends the line after 1 s
TRANSFER_MAX_S = 35.0  # the operator's telephone rings for 30 s
# A caller who is gone does not come back into the same room: the next call makes a new one.
JOIN_LIMIT_S = 5
REJOIN_LIMIT_S = 6  # the trunk may lose its media for a moment

_SIP = rtc.ParticipantKind.PARTICIPANT_KIND_SIP
_STATUS = "sip.callStatus"
_NOT_YET_ANSWERED = frozenset({"ringing", "dialing"})


async def receive(
    context: JobContext, cell: "Cell", connecting: "asyncio.Task[None]"
) -> UUID | None:
    """
    The call that the caller has paid the way to; None when there is none, and they were sent away.

    A line with a call is not ours to end here: if we may not start the call, somebody else has it.
    """
    call_id = None
    try:
        call_id = await _received(context, cell, connecting)
    except Exception:
        log.exception("phone_reception_failed")
    finally:
        if call_id is None:
            await hang_up(context)  # rather than a silent line
    return call_id


async def _received(
    context: JobContext, cell: "Cell", connecting: "asyncio.Task[None]"
) -> UUID | None:
    await connecting
    caller = await caller_on(context.room)
    if caller is None:
        log.info("phone_call_lost", reason="nobody came")
        return None
    gone = asyncio.Event()

    def on_gone(participant: rtc.RemoteParticipant) -> None:
        if participant.sid == caller.sid:
            gone.set()

    context.room.on("participant_disconnected", on_gone)
    context.room.on("disconnected", lambda *_: gone.set())
    talking = asyncio.create_task(_reception(context, cell, caller))
    leaving = asyncio.create_task(gone.wait())
    try:
        await asyncio.wait(
            {talking, leaving}, timeout=RECEPTION_MAX_S, return_when=asyncio.FIRST_COMPLETED
        )
        return talking.result() if talking.done() else None
    finally:
        for task in (talking, leaving):
            task.cancel()
        await asyncio.gather(talking, leaving, return_exceptions=True)
        context.room.off("participant_disconnected", on_gone)


async def _reception(
    context: JobContext, cell: "Cell", caller: rtc.RemoteParticipant
) -> UUID | None:
    async def ask(path: str, body: "BaseModel", answer: type[AnswerT]) -> AnswerT:
        try:
            return await cell.ask(cell.client.ask(path, body, answer))
        except TimeoutError:
            raise Unknown("no connection was free") from None

    desk = DeskClient(
        ask,
        from_number=_number(caller, "sip.phoneNumber"),
        to_number=_number(caller, "sip.trunkPhoneNumber"),
    )
    keypad = Keypad(context.room, caller.identity)
    speaker = Speaker(
        context.room, cell.sentences, until_answered=lambda: answered(context.room, caller)
    )
    reception = Reception(
        desk,
        keypad,
        speaker,
        context.room.name,
        transfer=lambda operator: hand_on(context, caller, operator),
    )
    try:
        return await reception.run()
    finally:
        keypad.close()
        await speaker.close()


def _number(caller: rtc.RemoteParticipant, attribute: str) -> str:
    """As the trunk wrote it. What is too long to be a number is hidden: a part of it is not it."""
    written = caller.attributes.get(attribute, "")
    return written if len(written) <= NUMBER_CHARS_MAX else ""


async def answered(room: rtc.Room, caller: rtc.RemoteParticipant) -> None:
    """Returns once the trunk has taken the call; before, nothing we say is heard. No limit."""
    taken = asyncio.Event()

    def on_changed(_changed: dict[str, str], participant: rtc.Participant) -> None:
        if participant.sid == caller.sid and _is_answered(participant):
            taken.set()

    room.on("participant_attributes_changed", on_changed)
    try:
        if not _is_answered(caller):
            await taken.wait()
    finally:
        room.off("participant_attributes_changed", on_changed)


def _is_answered(caller: rtc.Participant) -> bool:
    return caller.attributes.get(_STATUS) not in _NOT_YET_ANSWERED


async def hand_on(context: JobContext, caller: rtc.RemoteParticipant, operator: str) -> bool:
    """
    By SIP REFER, which the provider must allow: the caller then talks to `operator` without us.

    False when they are still here: the provider refused, or nobody took the call.
    """
    try:
        async with asyncio.timeout(TRANSFER_MAX_S):
            await context.transfer_sip_participant(caller, f"tel:{operator}", play_dialtone=True)
    except api.ServerError as refused:
        log.info("phone_transfer_refused", code=refused.code)
        return False
    except (aiohttp.ClientError, TimeoutError) as problem:
        log.info("phone_transfer_failed", error=type(problem).__name__)
        return False
    log.info("phone_transferred")
    return True


async def with_caller(
    config: CallConfig, room: rtc.Room, connecting: "asyncio.Task[None]"
) -> CallConfig:
    """
    The same call with its caller's identity: it holds their number, so only the room tells it.

    Whoever takes a call over from a lost agent comes this way, too.
    """
    await asyncio.wait([connecting])  # what went wrong with it is the call's to tell
    caller = await caller_on(room, wait_s=JOIN_LIMIT_S)
    return config.model_copy(
        update={
            "caller_identity": caller.identity if caller else config.caller_identity,
            "join_limit_s": JOIN_LIMIT_S,
            "rejoin_limit_s": REJOIN_LIMIT_S,
        }
    )


async def caller_on(
    room: rtc.Room, *, wait_s: float = CALLER_WAIT_S
) -> rtc.RemoteParticipant | None:
    """The participant that the SIP service let in; its attributes are not the caller's to set."""
    came: asyncio.Future[rtc.RemoteParticipant] = asyncio.get_running_loop().create_future()

    def on_connected(participant: rtc.RemoteParticipant) -> None:
        if participant.kind == _SIP and not came.done():
            came.set_result(participant)

    room.on("participant_connected", on_connected)
    try:
        for participant in room.remote_participants.values():
            on_connected(participant)
        return await asyncio.wait_for(came, wait_s)
    except TimeoutError:
        return None
    finally:
        room.off("participant_connected", on_connected)


async def hang_up(context: JobContext, *, after_s: float = 0) -> None:
    """End the line. The room of a line that has no call is nobody else's to delete."""
    await asyncio.sleep(after_s)
    try:
        await asyncio.wait_for(asyncio.shield(context.delete_room()), HANG_UP_S)
    except TimeoutError:
        log.warning("room_not_deleted", job_id=context.job.id)
