"""POST /api/generate-voice: a text spoken by a voice, as a link or as it is made."""

import base64
import json
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from billing.money import to_credits
from control_plane.audio.port import SPEECH_RATE_HZ
from control_plane.errors import VoiceNotFound
from control_plane.http_errors import DATABASE_AWAY, app_error_response, is_database_away
from control_plane.idempotency import answered_once, idempotency_key
from control_plane.limits.doors import pass_remembered, pass_speech
from control_plane.openapi import body_of
from control_plane.routes.answers import errors
from control_plane.routes.attendance import ClosingStream, attended
from control_plane.routes.json_body import read_json
from control_plane.services import CurrentServices, Services, SignedIn
from control_plane.speech.checks import (
    SEED_MAX,
    SPEED_MAX,
    SPEED_MIN,
    TEMPERATURE_MAX,
    check_text,
    checked_style,
    clamped,
)
from control_plane.speech.errors import StreamNotOffered
from control_plane.speech.links import link_to
from control_plane.speech.order import Source, SpeechOrder, Spoken
from control_plane.speech.recipe import model_for
from control_plane.store import speech_voices
from control_plane.store.speech_voices import Speaker
from shared.db import CONNECT_TIMEOUT_S
from shared.errors import AppError, Unauthenticated, Unavailable
from shared.ids import UserId, uuid_or_none
from shared.log import get_logger

router = APIRouter(tags=["speech"])
log = get_logger(__name__)

REQUIRED: Final = ("text", "voiceId")
PCM_TYPE: Final = f"audio/L16;rate={SPEECH_RATE_HZ}"
LANGUAGE_PROVIDERS: Final = frozenset({"xai", "local"})  # others go by the voice alone
STREAM_HEADERS: Final = {"Cache-Control": "no-cache, no-transform", "X-Accel-Buffering": "no"}


class VoiceRequest(BaseModel):
    """Numbers beyond their range are clamped; `split` says how a page cut a text and is ignored."""

    model_config = ConfigDict(strict=True, frozen=True, extra="ignore")

    text: str | None = None
    voiceId: str | None = None  # noqa: N815 - upstream's name
    styleVariant: str | None = None  # noqa: N815 - upstream's name
    language: Annotated[str | None, Field(pattern=r"^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8}){0,4}$")] = (
        None
    )
    seed: Annotated[int | None, Field(ge=0, le=SEED_MAX)] = None
    temperature: Annotated[float | None, Field(allow_inf_nan=False)] = None
    speed: Annotated[float | None, Field(allow_inf_nan=False)] = None
    split: bool | None = None
    stream: bool = False


class VoiceAnswer(BaseModel):
    """`url` is good for a day. Audio that was made before is free: no credit fields then."""

    url: str
    creditsUsed: int | float | None = None  # noqa: N815 - upstream's name
    creditsRemaining: int | float | None = None  # noqa: N815 - upstream's name


@router.post(
    "/api/generate-voice",
    openapi_extra=body_of(VoiceRequest),
    response_model=VoiceAnswer,
    responses={
        **errors(400, 401, 402, 403, 404, 409, 413, 422, 429, 500, 503),
        200: {"content": {"text/event-stream": {}}},  # with `stream`
    },
)
async def generate_voice(
    request: Request, services: CurrentServices, user_id: SignedIn
) -> Response:
    """Speak a text. With `stream`, Server-Sent Events: `audio` (base64 PCM), `done`, `error`."""
    known = await _remembered(request, services, user_id)
    if known is not None:
        pass_remembered(request, services, user_id)
        return JSONResponse(await _answer(services, known))
    await pass_speech(request, services, user_id)
    wanted = await read_json(request, VoiceRequest, required=REQUIRED)

    async def produce(charge_key: str) -> Response:
        order = await _order(services, user_id, wanted)
        if wanted.stream:
            return await _stream(request, services, order)
        key = charge_key if idempotency_key(request) else None
        spoken = await attended(request, services.desk.fulfil(order, idempotency_key=key))
        return JSONResponse(await _answer(services, spoken))

    body = await request.body()
    return await answered_once(services, request, owner=user_id, body=body, produce=produce)


async def _remembered(request: Request, services: Services, user_id: UserId) -> Spoken | None:
    """A hit that needs neither database nor Redis; whatever is wrong is found out by who asks."""
    try:
        if idempotency_key(request) is not None:
            return None
        wanted = await read_json(request, VoiceRequest, required=REQUIRED)
        speaker = services.speakers.get((user_id, wanted.voiceId or ""))
        if speaker is None or wanted.stream:
            return None
        return services.desk.remembered(_order_of(services, user_id, speaker, wanted))
    except AppError:
        return None


async def _order(services: Services, user_id: UserId, wanted: VoiceRequest) -> SpeechOrder:
    """Raises what `_order_of` raises, and Unauthenticated for an account that is gone."""
    voice_id = voice_id_of(wanted.voiceId)
    began = services.clock.monotonic()
    async with services.pool.acquire(timeout=CONNECT_TIMEOUT_S) as db:
        speaker = await speech_voices.find(db, voice_id=voice_id, owner=user_id)
    if speaker is None:
        raise Unauthenticated
    if speaker.voice is not None and not speaker.voice.is_own:
        services.speakers.put((user_id, wanted.voiceId or ""), speaker, asked_at=began)
    return _order_of(services, user_id, speaker, wanted)


def _order_of(
    services: Services, user_id: UserId, speaker: Speaker, wanted: VoiceRequest
) -> SpeechOrder:
    """
    Raises VoiceNotFound, StreamNotOffered, TextMissing or TextTooLong, in upstream's order.

    Seed and temperature are paid for.
    """
    assert wanted.text is not None, "the body was checked"
    model = model_for(speaker.voice)
    if speaker.voice is None or not services.studio.offers(model):
        raise VoiceNotFound
    if wanted.stream and not model.streams:
        raise StreamNotOffered
    is_paid, longer = speaker.standing.is_paid, speaker.standing.longer_texts
    check_text(model, wanted.text, is_paid=longer)
    return SpeechOrder(
        user_id=user_id,
        voice=speaker.voice,
        text=wanted.text,
        source=Source.TTS,
        audio_format=model.default_format,
        is_paid=is_paid,
        style=checked_style(model, wanted.styleVariant, is_paid=longer),
        language=wanted.language if model.provider in LANGUAGE_PROVIDERS else None,
        seed=wanted.seed if is_paid else None,
        temperature=clamped(wanted.temperature, 0.0, TEMPERATURE_MAX) if is_paid else None,
        speed=clamped(wanted.speed, SPEED_MIN, SPEED_MAX),
    )


def voice_id_of(text: str | None) -> UUID:
    """Raises VoiceNotFound: what is no id is the id of no voice."""
    voice_id = uuid_or_none(text)
    if voice_id is None:
        raise VoiceNotFound
    return voice_id


async def _answer(services: Services, spoken: Spoken) -> dict[str, str | int | float]:
    answer: dict[str, str | int | float] = {
        "url": await link_to(services.objects, spoken.object_key, spoken.audio_format)
    }
    if not spoken.is_cached:
        answer["creditsUsed"] = to_credits(spoken.cost)
        if spoken.available is not None:
            answer["creditsRemaining"] = to_credits(spoken.available)
    return answer


async def _stream(request: Request, services: Services, order: SpeechOrder) -> Response:
    """What is wrong before the first sound has its status; later it is an event."""
    pieces = services.desk.stream(order)
    try:
        first = await attended(request, anext(pieces))
    except BaseException:
        await pieces.aclose()
        raise
    return ClosingStream(
        _events(services, first, pieces), media_type="text/event-stream", headers=STREAM_HEADERS
    )


async def _events(
    services: Services, first: bytes | Spoken, pieces: AsyncGenerator[bytes | Spoken, None]
) -> AsyncGenerator[bytes, None]:
    async with aclosing(pieces):
        try:
            yield await _event(services, first)
            async for piece in pieces:
                yield await _event(services, piece)
        except AppError as error:
            yield _failed(error)
        except DATABASE_AWAY as error:
            if not is_database_away(error):
                raise
            yield _failed(Unavailable())


def _failed(error: AppError) -> bytes:
    log.warning("stream_failed", code=error.code)
    text = json.loads(bytes(app_error_response(error).body))["error"]
    return _sse("error", {"error": text, "code": error.code})


async def _event(services: Services, piece: bytes | Spoken) -> bytes:
    if isinstance(piece, bytes | bytearray):
        return _sse("audio", {"data": base64.b64encode(piece).decode(), "mimeType": PCM_TYPE})
    done = await _answer(services, piece)
    return _sse("done", {**done, "cached": True} if piece.is_cached else done)


def _sse(event: str, data: object) -> bytes:
    return f"event: {event}\ndata: {json.dumps(data)}\n\n".encode()
