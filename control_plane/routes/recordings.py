"""
Recordings of calls: GET and DELETE for whoever had the call; for agents what their caller said, and
the door that recordings come in by (`shared/recording_protocol.py`).
"""

from datetime import datetime
from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from control_plane.errors import BodyTooLarge
from control_plane.http_errors import parse_json
from control_plane.recordings import consents
from control_plane.recordings.keeping import Recordings
from control_plane.routes.answers import Answer, errors
from control_plane.services import CurrentServices, Services, SignedIn, TrustedWorker
from control_plane.store import recordings as store
from shared.db import transaction
from shared.errors import NotFound
from shared.recording_protocol import (
    RECORDING_BYTES_MAX,
    RECORDING_MEDIA_TYPE,
    RECORDINGS_PATH,
    ConsentReport,
    WithdrawConsent,
    Withdrawn,
)

router = APIRouter(tags=["calls"])
internal_router = APIRouter(
    prefix="/internal/v1", dependencies=[TrustedWorker], include_in_schema=False
)

LINK_S: Final = 900  # to listen or to save; whoever has the link can, so it does not last
NO_CONTENT: Final = 204
EpochOfAgent = Annotated[int, Query(ge=1, le=32_000)]


class RecordingNotFound(NotFound):
    """This call has no recording"""

    code = "recording_not_found"


class Consent(Answer):
    """What the caller said yes to, word for word, and when."""

    statement: str
    language: str
    asked_at: datetime
    answered_at: datetime


class RecordingView(Answer):
    """The caller is on the left, the agent on the right. `url` is good for a quarter of an hour."""

    call_id: UUID
    url: str
    media_type: str
    duration_seconds: float
    size_bytes: int
    created_at: datetime
    kept_until: datetime | None
    consent: Consent


class RecordingDeleted(Answer):
    deleted: int


@router.get("/api/calls/{call_id}/recording", responses=errors(401, 404, 503))
async def get_recording(
    call_id: UUID, services: CurrentServices, user_id: SignedIn
) -> RecordingView:
    """Where the recording of one's own call can be heard, some seconds after its end."""
    async with transaction(services.pool) as tx:
        found = await store.find(tx, call_id, owner=user_id)
    if found is None:
        raise RecordingNotFound
    return RecordingView(
        call_id=call_id,
        url=await services.objects.link(
            found.object_key, expires_in_s=LINK_S, media_type=RECORDING_MEDIA_TYPE
        ),
        media_type=RECORDING_MEDIA_TYPE,
        duration_seconds=found.duration_ms / 1_000,
        size_bytes=found.size_bytes,
        created_at=found.created_at,
        kept_until=found.texts_until,
        consent=Consent(
            statement=found.statement,
            language=found.language,
            asked_at=found.asked_at,
            answered_at=found.answered_at,
        ),
    )


@router.delete("/api/calls/{call_id}/recording", responses=errors(401, 404, 503))
async def delete_recording(
    call_id: UUID, services: CurrentServices, user_id: SignedIn
) -> RecordingDeleted:
    """Take the consent back: what there is goes, and what is still on its way is refused."""
    async with transaction(services.pool) as tx:
        if not await store.has_said_yes(tx, call_id, owner=user_id):
            raise RecordingNotFound
    return RecordingDeleted(deleted=await _recordings(services).withdraw(call_id, owner=user_id))


@internal_router.post("/calls/{call_id}/recording-consent")
async def report_consent(call_id: UUID, request: Request, services: CurrentServices) -> Response:
    """What the caller was asked, and what they said. Raises CallNotFound or Fenced."""
    reported = parse_json(ConsentReport, await request.body())
    async with transaction(services.pool) as tx:
        standing = await consents.report(tx, call_id, reported, services.settings)
    return _json(standing)


@internal_router.post("/calls/{call_id}/recording-withdrawal")
async def withdraw_consent(call_id: UUID, request: Request, services: CurrentServices) -> Response:
    """The caller has changed their mind in the call. Raises CallNotFound or Fenced."""
    order = parse_json(WithdrawConsent, await request.body())
    async with transaction(services.pool) as tx:
        await consents.check_epoch(tx, call_id, order.epoch)
    return _json(Withdrawn(deleted=await _recordings(services).withdraw(call_id)))


@internal_router.post(RECORDINGS_PATH + "/{call_id}")
async def receive_recording(
    call_id: UUID, epoch: EpochOfAgent, request: Request, services: CurrentServices
) -> Response:
    """
    The recording of an agent's call, also long after another agent took it over.

    Raises NoConsent, NotARecording and BodyTooLarge; each tells the agent to delete its file.
    """
    async with services.uploads.place():
        data = await request.body()
        if len(data) > RECORDING_BYTES_MAX:
            raise BodyTooLarge
        await _recordings(services).keep(call_id, epoch=epoch, data=data)
    return Response(status_code=NO_CONTENT)


def _recordings(services: Services) -> Recordings:
    return Recordings(
        services.pool, services.objects, settings=services.settings, clock=services.clock
    )


def _json(answer: BaseModel) -> Response:
    return Response(answer.model_dump_json(), media_type="application/json")
