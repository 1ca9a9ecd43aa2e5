"""GET /api/v1/voices, /api/v1/models and /api/v1/openapi: what a program may ask for."""

from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import JSONResponse

from control_plane.api_keys import Scope
from control_plane.callers import ApiCaller, KeyHolder, needs_scope
from control_plane.limits.doors import limited
from control_plane.program_openapi import program_document
from control_plane.routes.v1_speech import INPUT_CHARS_MAX
from control_plane.services import CurrentServices
from control_plane.store import offered_voices
from control_plane.tts.catalog import MODELS, SpeechModel, model_of_voice
from control_plane.v1_errors import program_errors
from shared.db import transaction

router = APIRouter(tags=["v1"])

VOICES_MAX: Final = 500
EXAMPLES_MAX: Final = 20


class VoiceView(BaseModel):
    """`formats` and `supports_style` are those of its `model`."""

    id: UUID
    name: str
    language: str
    model: str
    formats: list[str]
    supports_style: bool


class Voices(BaseModel):
    data: list[VoiceView]


class ModelView(BaseModel):
    """`max_input_length` is in characters, for a paid account."""

    id: str
    name: str
    max_input_length: int
    supported_formats: list[str]


class Models(BaseModel):
    data: list[ModelView]


@router.get(
    "/api/v1/voices", dependencies=[limited("v1")], responses=program_errors(401, 403, 429, 503)
)
async def list_voices(
    services: CurrentServices, caller: Annotated[ApiCaller, needs_scope(Scope.VOICES_READ)]
) -> Voices:
    """Voices to speak with: everybody's, then the account's own."""
    async with transaction(services.pool) as tx:
        found = await offered_voices.list_voices(tx, owner=caller.user_id, limit=VOICES_MAX)
    known = [(voice, model_of_voice(voice.model)) for voice in found]
    return Voices(
        data=[
            VoiceView(
                id=voice.id,
                name=voice.name,
                language=voice.language,
                model=model.id,
                formats=_formats(model),
                supports_style=model.style_chars_paid > 0,
            )
            for voice, model in known
            if model is not None and services.studio.offers(model)
        ]
    )


@router.get("/api/v1/models", dependencies=[limited("v1")], responses=program_errors(401, 429, 503))
async def list_models(services: CurrentServices, _caller: KeyHolder) -> Models:
    """Models to speak with; those whose provider is not configured are left out."""
    return Models(
        data=[
            ModelView(
                id=model.id,
                name=model.name,
                max_input_length=min(model.chars_paid, INPUT_CHARS_MAX),
                supported_formats=_formats(model),
            )
            for model in MODELS.values()
            if not model.is_clone and services.studio.offers(model)
        ]
    )


@router.get(
    "/api/v1/openapi",
    dependencies=[limited("anonymous")],
    response_model=dict[str, Any],
    responses=program_errors(429, 503),
)
async def get_openapi(request: Request, services: CurrentServices) -> JSONResponse:
    """This document. Needs no key."""
    async with transaction(services.pool) as tx:
        voices = await offered_voices.list_public(tx, limit=EXAMPLES_MAX)
    document: dict[str, Any] = program_document(
        request.app.openapi(),
        title="sexycall API",
        voice_names=list(dict.fromkeys(voice.name for voice in voices)),
    )
    return JSONResponse(document)


def _formats(model: SpeechModel) -> list[str]:
    """Upstream's contract knows these two; the others are OpenAI's."""
    return [str(form) for form in model.formats if form in {"wav", "mp3"}]
