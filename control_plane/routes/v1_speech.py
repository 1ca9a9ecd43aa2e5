"""
POST /api/v1/speech: a text spoken for a program, in upstream's contract.

Always fresh, as upstream's: the same text may sound otherwise, and is paid, each time. Who wants
the same answer again sends an Idempotency-Key.
"""

from typing import Annotated, Final, Literal
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from billing import ledger
from billing.money import to_credits
from control_plane.api_keys import ApiCaller, Scope
from control_plane.audio.port import AudioFormat
from control_plane.callers import needs_scope
from control_plane.http_errors import parse_json
from control_plane.idempotency import answered_once, idempotency_key
from control_plane.limits.doors import limited
from control_plane.openapi import body_of
from control_plane.program_orders import ProgramWish, order_of
from control_plane.routes.attendance import attended
from control_plane.services import CurrentServices, Services
from control_plane.speech.checks import SPEED_MAX, SPEED_MIN, TEMPERATURE_MAX
from control_plane.speech.links import link_to
from control_plane.speech.order import Spoken
from control_plane.tts.catalog import MODELS
from control_plane.v1_errors import program_errors
from shared.db import transaction
from shared.errors import Invalid

router = APIRouter(tags=["v1"], dependencies=[limited("v1")])

INPUT_CHARS_MAX: Final = 1_000  # upstream's; a longer text is a job
NAME_CHARS_MAX: Final = 100
SAFE_INTEGER_MAX: Final = 2**53 - 1  # what every client can count to
MODEL_IDS: Final = tuple(model.id for model in MODELS.values() if not model.is_clone)

CallerOfSpeech = Annotated[ApiCaller, needs_scope(Scope.SPEECH_GENERATE)]


class SpeechWish(BaseModel):
    """How a text shall sound; the fields that speech and jobs share. Nothing else is accepted."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    model: Annotated[str | None, Field(json_schema_extra={"enum": [*MODEL_IDS, None]})] = None
    voice: Annotated[str | None, Field(min_length=1, max_length=NAME_CHARS_MAX)] = None
    voiceId: UUID | None = None  # noqa: N815 - upstream's name
    seed: Annotated[int | None, Field(ge=-SAFE_INTEGER_MAX, le=SAFE_INTEGER_MAX)] = None
    speed: Annotated[float | None, Field(ge=SPEED_MIN, le=SPEED_MAX, allow_inf_nan=False)] = None
    style: str | None = None
    temperature: Annotated[float | None, Field(ge=0, le=TEMPERATURE_MAX, allow_inf_nan=False)] = (
        None
    )

    def check(self) -> None:
        """Raises Invalid for what no single field shows."""
        if self.model is not None and self.model not in MODEL_IDS:
            raise Invalid(f"model must be one of {', '.join(MODEL_IDS)}", param="model")
        if self.voiceId is not None and (self.voice is not None or self.model is not None):
            raise Invalid("voiceId cannot be combined with voice or model", param="voiceId")
        if self.voiceId is None and self.voice is None:
            raise Invalid("Either voice or voiceId is required", param="voice")


class SpeechRequest(SpeechWish):
    """`voiceId` alone, or `voice` with or without its `model`."""

    input: Annotated[str, Field(min_length=1, max_length=INPUT_CHARS_MAX)]
    response_format: Literal["wav", "mp3"] | None = None


class SpeechUsage(BaseModel):
    """`model` is the provider's, that did the work."""

    input_characters: int
    model: str


class SpeechAnswer(BaseModel):
    """`url` is good for a day."""

    url: str
    credits_used: int | float
    credits_remaining: int | float
    usage: SpeechUsage


@router.post(
    "/api/v1/speech",
    openapi_extra=body_of(SpeechRequest),
    response_model=SpeechAnswer,
    responses=program_errors(400, 401, 402, 403, 404, 409, 413, 422, 429, 500, 503),
)
async def create_speech(
    request: Request, services: CurrentServices, caller: CallerOfSpeech
) -> Response:
    """Speak a text and get a link to the audio."""
    body = await request.body()
    wanted = parse_json(SpeechRequest, body)
    wanted.check()
    wish = wish_of(
        wanted, text=wanted.input, request=request, response_format=wanted.response_format
    )

    async def produce(charge_key: str) -> Response:
        program = await order_of(services.pool, services.studio, caller, wish)
        key = charge_key if idempotency_key(request) else None
        spoken = await attended(request, services.desk.fulfil(program.order, idempotency_key=key))
        return JSONResponse((await _answer(services, caller, spoken)).model_dump())

    return await answered_once(services, request, owner=caller.user_id, body=body, produce=produce)


def wish_of(
    wanted: SpeechWish, *, text: str, request: Request, response_format: str | None
) -> ProgramWish:
    return ProgramWish(
        text=text,
        voice_id=wanted.voiceId,
        voice_name=wanted.voice,
        model=wanted.model,
        audio_format=AudioFormat(response_format) if response_format else None,
        style=wanted.style,
        seed=wanted.seed,
        temperature=wanted.temperature,
        speed=wanted.speed,
        voice_param="voice" if wanted.voiceId is None else "voiceId",
        request_id=request.state.request_id,
        is_fresh=True,
    )


async def _answer(services: Services, caller: ApiCaller, spoken: Spoken) -> SpeechAnswer:
    available = spoken.available
    if available is None:
        async with transaction(services.pool) as tx:
            available = (await ledger.visit(tx, caller.user_id)).spendable
    return SpeechAnswer(
        url=await link_to(services.objects, spoken.object_key, spoken.audio_format),
        credits_used=to_credits(spoken.cost),
        credits_remaining=to_credits(available),
        usage=SpeechUsage(input_characters=spoken.input_characters, model=spoken.model),
    )
