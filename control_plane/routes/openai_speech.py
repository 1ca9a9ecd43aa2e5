"""
POST /v1/audio/speech: OpenAI's contract.

The audio goes out while the provider still speaks, so what it costs is known at its end only: the
headers say what it costs at most, the last event of `sse` and the history exactly. An answer that
was made before, or that has an Idempotency-Key, comes whole, with its cost in the headers.
"""

from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import Response

from billing import price_book
from billing.money import to_credits
from control_plane.api_keys import Scope
from control_plane.audio.port import AudioFormat
from control_plane.callers import ApiCaller, needs_scope
from control_plane.http_errors import parse_json
from control_plane.idempotency import answered_once, idempotency_key, is_kept_as
from control_plane.limits.doors import limited
from control_plane.openai_audio import (
    EVENT_TYPE,
    LiveSpeech,
    live_audio,
    live_events,
    price_headers,
    stored_audio,
    stored_events,
)
from control_plane.openai_names import order_called, voice_id_in
from control_plane.openapi import body_of
from control_plane.program_orders import ProgramWish
from control_plane.routes.attendance import ClosingStream, attended
from control_plane.services import CurrentServices, Services
from control_plane.speech import measure
from control_plane.speech.order import SpeechOrder, Spoken
from control_plane.speech.recipe import Recipe, recipe_of
from control_plane.store import audio_objects
from control_plane.v1_errors import program_errors
from shared.db import transaction

router = APIRouter(tags=["openai"], dependencies=[limited("v1")])

INPUT_CHARS_MAX: Final = 4_096
STREAM_HEADERS: Final = {"x-accel-buffering": "no"}  # proxies must not gather it
_AUDIO: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "The audio, in pieces as it is made; events with `stream_format: sse`",
        "content": {
            **{form.media_type: {} for form in AudioFormat},
            EVENT_TYPE: {},
        },
    }
}


class VoiceById(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    id: Annotated[str, Field(min_length=1, max_length=100)]


class OpenAiSpeechRequest(BaseModel):
    """`voice` is a name, ours or one of OpenAI's, or `{"id"}` of any voice of the account."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    model: Annotated[str, Field(min_length=1, max_length=200)]
    input: Annotated[str, Field(min_length=1, max_length=INPUT_CHARS_MAX)]
    voice: Annotated[str, Field(min_length=1, max_length=100)] | VoiceById
    instructions: Annotated[str | None, Field(max_length=INPUT_CHARS_MAX)] = None
    response_format: Literal["mp3", "opus", "aac", "flac", "wav", "pcm"] = "mp3"
    speed: Annotated[float | None, Field(ge=0.25, le=4.0, allow_inf_nan=False)] = None
    stream_format: Literal["audio", "sse"] = "audio"


@router.post(
    "/v1/audio/speech",
    openapi_extra=body_of(OpenAiSpeechRequest),
    response_class=Response,
    responses={
        **_AUDIO,
        **program_errors(400, 401, 402, 403, 404, 409, 413, 422, 429, 500, 503),
    },
)
async def create_speech(
    request: Request,
    services: CurrentServices,
    caller: Annotated[ApiCaller, needs_scope(Scope.SPEECH_GENERATE)],
) -> Response:
    """Speak a text; the audio is the answer."""
    body = await request.body()
    wanted = parse_json(OpenAiSpeechRequest, body)
    is_keyed = idempotency_key(request) is not None

    async def produce(charge_key: str) -> Response:
        program = await order_called(
            services.pool,
            services.studio,
            services.settings,
            caller,
            _wish(wanted, request),
            model_name=wanted.model,
        )
        as_events = wanted.stream_format == "sse"
        recipe = recipe_of(program.order)
        if not is_keyed and not await _is_known(services, recipe):
            return await _live(request, services, recipe, as_events=as_events)
        key = charge_key if is_keyed else None
        spoken = await attended(request, services.desk.fulfil(program.order, idempotency_key=key))
        return _whole(services, spoken, as_events=as_events)

    return await answered_once(services, request, owner=caller.user_id, body=body, produce=produce)


def _wish(wanted: OpenAiSpeechRequest, request: Request) -> ProgramWish:
    by_id = isinstance(wanted.voice, VoiceById)
    return ProgramWish(
        text=wanted.input,
        voice_id=voice_id_in(wanted.voice.id) if isinstance(wanted.voice, VoiceById) else None,
        voice_name=None if by_id else str(wanted.voice),
        audio_format=AudioFormat(wanted.response_format),
        style=wanted.instructions,
        speed=wanted.speed,
        style_param="instructions",
        any_format=True,
        request_id=request.state.request_id,
    )


async def _is_known(services: Services, recipe: Recipe) -> bool:
    """Whether it was made before; then its cost is known before its first byte."""
    async with transaction(services.pool) as tx:
        known = await audio_objects.find_cached(
            tx, digest=recipe.digest, listener=recipe.order.user_id
        )
    return known is not None


def _whole(services: Services, spoken: Spoken, *, as_events: bool) -> Response:
    data = stored_audio(services.objects.stream(spoken.object_key))
    headers = price_headers(spoken)
    if as_events:
        return ClosingStream(
            stored_events(data, spoken),
            media_type=EVENT_TYPE,
            headers={**STREAM_HEADERS, **headers},
        )
    response = ClosingStream(
        data,
        media_type=spoken.audio_format.media_type,
        headers={**headers, "content-length": str(spoken.size_bytes)},
    )
    return is_kept_as(response, spoken.object_key)


async def _live(
    request: Request, services: Services, recipe: Recipe, *, as_events: bool
) -> Response:
    """What is wrong before the first sound has its status; see `openai_audio.py` for later."""
    order: SpeechOrder = recipe.order
    headers = {
        **STREAM_HEADERS,
        "x-sexycall-max-cost-credits": await _cost_at_most(services, recipe),
    }
    pieces = services.desk.stream(order)
    try:
        first = await attended(request, anext(pieces))
    except BaseException:
        await pieces.aclose()
        raise
    live = LiveSpeech(first, pieces)
    if as_events:
        events = live_events(live, order.audio_format)
        return ClosingStream(events, media_type=EVENT_TYPE, headers=headers)
    audio = live_audio(live, order.audio_format)
    return ClosingStream(audio, media_type=order.audio_format.media_type, headers=headers)


async def _cost_at_most(services: Services, recipe: Recipe) -> str:
    """In credits: what will be held. Raises NotPriced."""
    async with transaction(services.pool) as tx:
        priced = await price_book.rate_in_force(
            tx,
            product=recipe.product,
            model=recipe.model.id,
            plan=recipe.plan,
            channel=recipe.order.source.channel,
        )
    held = measure.at_most(priced.rate.unit, recipe.spoken_text)
    return str(to_credits(price_book.cost_of(priced.rate, held)))
