"""
Consents to be cloned: begin one, read its phrase aloud, look at the record, withdraw.

    POST /api/consents    POST /api/consents/{id}/recording    GET /api/consents
    DELETE /api/consents/{id}
"""

from datetime import datetime
from typing import Annotated, Any, Final, Literal
from uuid import UUID

from fastapi import APIRouter
from pydantic import AfterValidator, BaseModel, Field, model_validator
from starlette.requests import Request

from billing import canonical_json
from control_plane.cloning import consents
from control_plane.cloning.chain import Entry, EntryKind, chain_problems
from control_plane.cloning.errors import RecordingRefused
from control_plane.cloning.statements import (
    STATEMENT_VERSION,
    Whose,
    retention_text,
    statement_sha256,
    statement_text,
)
from control_plane.cloning.upload import FILE_BYTES_MAX, read_recording
from control_plane.errors import BodyTooLarge
from control_plane.http_errors import parse_json
from control_plane.limits.address import client_address
from control_plane.limits.doors import limited
from control_plane.openapi import body_of
from control_plane.routes.answers import Answer, errors
from control_plane.services import CurrentServices, Services, SignedIn

router = APIRouter(tags=["consents"])

STATEMENT_CHARS_MIN: Final = 20  # "I agree." names nobody and nothing
STATEMENT_CHARS_MAX: Final = 2_000


def _tidy(text: str) -> str:
    """Without surrounding space. Raises ValueError for what is no text."""
    text = text.strip()
    if len(text) < STATEMENT_CHARS_MIN:
        raise ValueError(f"must have at least {STATEMENT_CHARS_MIN} characters")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("must be Unicode text") from None
    return text


class ConsentRequest(BaseModel):
    """`statement` is the other person's, in their own words, and only for their voice."""

    whose: Whose
    statement: (
        Annotated[str, Field(max_length=STATEMENT_CHARS_MAX), AfterValidator(_tidy)] | None
    ) = None

    @model_validator(mode="after")
    def _statement_is_the_other_s(self) -> "ConsentRequest":
        if (self.whose is Whose.OTHER) != (self.statement is not None):
            raise ValueError('statement goes with "other", and with nothing else')
        return self


class ConsentBegun(Answer):
    id: UUID
    whose: Whose
    phrase: str
    statement: str
    statement_version: int
    statement_sha256: str
    expires_at: datetime
    recording_seconds_max: float
    recording_bytes_max: int
    retention: str


class ConsentView(Answer):
    """A consent as it is recorded. `matchPercent` of the phrase was heard in its words' order."""

    id: UUID
    whose: Whose
    status: Literal["given", "revoked"]
    statement_version: int
    statement_sha256: str
    speaker_statement: str | None
    phrase: str
    heard: str
    match_percent: int
    recording_sha256: str
    address: str
    given_at: datetime
    expires_at: datetime
    revoked_at: datetime | None
    hash: str
    previous_hash: str


class StatementView(Answer):
    whose: Whose
    version: int
    text: str
    sha256: str


class ConsentRecord(Answer):
    """`chainIntact`: every entry contains the hash of the one before it, and its own is right."""

    data: list[ConsentView]
    chain_intact: bool
    statements: list[StatementView]
    retention: str


class ConsentWithdrawn(Answer):
    id: UUID
    status: Literal["revoked"]
    voices_disabled: int
    objects_deleted: int


_BINARY: Final = {"type": "string", "format": "binary"}
_RECORD: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {"type": "object", "properties": {"file": _BINARY}, "required": ["file"]}
            },
            "audio/*": {"schema": _BINARY},
        },
    }
}


@router.post(
    "/api/consents",
    status_code=201,
    openapi_extra=body_of(ConsentRequest),
    responses=errors(400, 401, 403, 408, 409, 413, 503),
)
async def begin_consent(
    request: Request, services: CurrentServices, user_id: SignedIn
) -> ConsentBegun:
    """A phrase that the person whose voice it is reads aloud within a quarter of an hour."""
    wanted = parse_json(ConsentRequest, await request.body())
    begun = await consents.begin(
        services, user_id, whose=wanted.whose, speaker_statement=wanted.statement or ""
    )
    return ConsentBegun(
        id=begun.id,
        whose=begun.whose,
        phrase=begun.phrase,
        statement=statement_text(begun.whose, begun.statement_version),
        statement_version=begun.statement_version,
        statement_sha256=statement_sha256(begun.whose, begun.statement_version),
        expires_at=begun.expires_at,
        recording_seconds_max=consents.RECORDING_S_MAX,
        recording_bytes_max=FILE_BYTES_MAX,
        retention=retention_text(reference_days=services.settings.clone_reference_days),
    )


@router.post(
    "/api/consents/{consent_id}/recording",
    status_code=201,
    openapi_extra=_RECORD,
    dependencies=[limited("clone")],
    responses=errors(400, 401, 404, 408, 409, 413, 429, 503),
)
async def record_consent(
    consent_id: UUID, request: Request, services: CurrentServices, user_id: SignedIn
) -> ConsentView:
    """The recording of the phrase; it is recognised and compared, and not kept."""
    async with services.uploads.place():
        recording = await read_recording(request)
        if recording is None or not recording.data:
            raise RecordingRefused(details="it is empty")
        if len(recording.data) > FILE_BYTES_MAX:
            raise BodyTooLarge
        entry = await consents.record(
            services,
            user_id,
            consent_id,
            recording=recording.data,
            media_type=recording.media_type,
            address=_address_of(request, services),
        )
    return _view(entry, None)


@router.get("/api/consents", responses=errors(401, 503))
async def list_consents(services: CurrentServices, user_id: SignedIn) -> ConsentRecord:
    """All consents of the account, newest first, what they mean, and whether all is there."""
    entries = await consents.entries_of(services, user_id)
    revoked = {entry.consent_id: entry for entry in entries if entry.kind == EntryKind.REVOKED}
    given = [entry for entry in entries if entry.kind == EntryKind.GIVEN]
    return ConsentRecord(
        data=[_view(entry, revoked.get(entry.consent_id)) for entry in reversed(given)],
        chain_intact=not any(chain_problems(entries)),
        statements=[
            StatementView(
                whose=whose,
                version=STATEMENT_VERSION,
                text=statement_text(whose),
                sha256=statement_sha256(whose),
            )
            for whose in Whose
        ],
        retention=retention_text(reference_days=services.settings.clone_reference_days),
    )


@router.delete("/api/consents/{consent_id}", responses=errors(401, 404, 503))
async def withdraw_consent(
    consent_id: UUID, request: Request, services: CurrentServices, user_id: SignedIn
) -> ConsentWithdrawn:
    """Disable the voices made with it and delete their recordings and all audio kept of them."""
    done = await consents.withdraw(
        services, user_id, consent_id, address=_address_of(request, services)
    )
    return ConsentWithdrawn(
        id=consent_id,
        status="revoked",
        voices_disabled=done.voices_disabled,
        objects_deleted=done.objects_deleted,
    )


def _address_of(request: Request, services: Services) -> str:
    return client_address(request, trusted_hops=services.settings.trusted_proxy_hops)


def _view(given: Entry, revoked: Entry | None) -> ConsentView:
    said = canonical_json.decode(given.body)
    return ConsentView(
        id=given.consent_id,
        whose=said["whose"],
        status="revoked" if revoked else "given",
        statement_version=said["statement_version"],
        statement_sha256=said["statement_sha256"],
        speaker_statement=said["speaker_statement"] or None,
        phrase=said["phrase"],
        heard=said["heard"],
        match_percent=said["match_percent"],
        recording_sha256=said["recording_sha256"],
        address=said["address"],
        given_at=said["at"],
        expires_at=said["expires_at"],
        revoked_at=canonical_json.decode(revoked.body)["at"] if revoked else None,
        hash=given.hash,
        previous_hash=given.previous_hash,
    )
