"""POST /api/clone-voice: upstream's form, with the id of a consent; and deleting a clone."""

from contextlib import AsyncExitStack
from typing import Any, Final
from uuid import UUID

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from billing import ledger
from billing.generation_charges import CannotAfford
from billing.money import to_credits
from control_plane.audio.port import AudioFormat
from control_plane.cloning import clones, withdrawal
from control_plane.cloning.clones import CloneWish
from control_plane.cloning.engines import LOCAL, LOCALES
from control_plane.cloning.errors import CLONE_PATH, CloneErrorBody, CloneRefusal
from control_plane.cloning.upload import UploadedFile, UploadForm, is_form, read_form
from control_plane.errors import VoiceNotFound
from control_plane.idempotency import answered_once, idempotency_key
from control_plane.limits.doors import limited
from control_plane.objects.port import ObjectGone
from control_plane.routes.answers import Answer, errors
from control_plane.routes.attendance import attended
from control_plane.services import CurrentServices, Services, SignedIn
from control_plane.speech.links import link_to
from control_plane.speech.order import Source, SpeechOrder, SpeechVoice, Spoken
from control_plane.tts.catalog import MODELS
from control_plane.tts.port import ProhibitedContent, ProviderRefusal
from shared.db import transaction
from shared.errors import Unavailable

router = APIRouter(tags=["cloning"])

DEMO_NOTICE: Final = (
    "This is a demo: it takes over pitch and pace of the recording, it is no clone of the voice"
)
_STATUSES: Final = (400, 401, 402, 403, 408, 409, 413, 429, 500, 503)
_FORM: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "properties": {
                        "text": {"type": "string", "minLength": 1},
                        "file": {"type": "string", "format": "binary"},
                        "locale": {"type": "string", "enum": list(LOCALES)},
                        "consentId": {"type": "string", "format": "uuid"},
                        "enhanceReferenceAudio": {"type": "string", "enum": ["true", "false"]},
                    },
                    "required": ["text", "file", "locale"],
                }
            }
        },
    }
}


class CloneAnswer(Answer):
    """`demo` and `notice` stand there where it is a demo only."""

    url: str
    credits_used: int | float
    credits_remaining: int | float
    demo: bool | None = None
    notice: str | None = None


@router.post(
    CLONE_PATH,
    dependencies=[limited("clone")],
    openapi_extra=_FORM,
    response_model=CloneAnswer,
    responses={status: {"model": CloneErrorBody} for status in _STATUSES},
)
async def clone_voice(
    request: Request,
    services: CurrentServices,
    user_id: SignedIn,
) -> Response:
    """Speak a text with the voice of a recording; every error has upstream's form."""
    if not is_form(request):
        raise CloneRefusal("errors.invalidContentType", "Content-Type must be multipart/form-data")
    async with AsyncExitStack() as place:
        await place.enter_async_context(services.uploads.place())
        upload = [await read_form(request)]

        async def produce(charge_key: str) -> Response:
            wish, voice = await _voice(services, user_id, upload.pop())
            await place.aclose()  # the recording is let go of: speaking needs no place
            order = _order(wish, voice)
            key = charge_key if idempotency_key(request) else None
            spoken = await attended(request, _spoken(services, order, idempotency_key=key))
            answer = await _answer(services, wish, spoken)
            return JSONResponse(answer.model_dump(mode="json", by_alias=True, exclude_none=True))

        body = upload[0].fingerprint()
        return await answered_once(services, request, owner=user_id, body=body, produce=produce)


@router.delete("/api/voices/{voice_id}", status_code=204, responses=errors(401, 404, 503))
async def delete_voice(voice_id: UUID, services: CurrentServices, user_id: SignedIn) -> Response:
    """One's own cloned voice, with its recording and all audio kept of it."""
    await withdrawal.delete_clone(services.pool, services.objects, owner=user_id, voice_id=voice_id)
    return Response(status_code=204)


async def _voice(
    services: Services, user_id: UUID, form: UploadForm
) -> tuple[CloneWish, SpeechVoice]:
    text, locale = form.fields.get("text", ""), form.fields.get("locale", "").strip()
    file = _file(form, text)
    if not locale:
        raise CloneRefusal("errors.missingLocale", "Missing required parameter: locale")
    wish = await clones.check(
        services,
        user_id,
        text=text.replace("\x00", ""),
        locale=locale,
        file=file,
        consent=form.fields.get("consentId", "").strip(),
        is_offered=lambda model: services.studio.offers(MODELS[model]),
    )
    return wish, await clones.voice_for(services, wish, file)


def _order(wish: CloneWish, voice: SpeechVoice) -> SpeechOrder:
    return SpeechOrder(
        user_id=wish.user_id,
        voice=voice,
        text=wish.text,
        source=Source.VOICE_CLONING,
        audio_format=AudioFormat.WAV,
        is_paid=wish.is_paid,
    )


def _file(form: UploadForm, text: str) -> UploadedFile:
    if form.file is None or not form.file.data or not text.strip():
        missing = "file" if text.strip() else "text"
        raise CloneRefusal(
            "errors.missingRequiredParameters",
            f"Missing required parameter: {missing}",
            missing=missing,
        )
    return form.file


async def _spoken(services: Services, order: SpeechOrder, *, idempotency_key: str | None) -> Spoken:
    """Raises CloneRefusal with upstream's codes; what else is raised has its form by the path."""
    try:
        return await services.desk.fulfil(order, idempotency_key=idempotency_key)
    except CannotAfford as error:
        raise clones.insufficient_credits(needed=error.needed, available=error.available) from None
    except (VoiceNotFound, ObjectGone):
        raise clones.consent_required("voice_ended", "This voice was withdrawn meanwhile") from None
    except ProhibitedContent as error:
        raise CloneRefusal(
            "errors.guardrailViolation", error.message, status=403, provider=order.voice.model
        ) from None
    except (ProviderRefusal, Unavailable) as error:
        raise CloneRefusal(
            "errors.providerUnavailable", error.message, status=503, provider=order.voice.model
        ) from None


async def _answer(services: Services, wish: CloneWish, spoken: Spoken) -> CloneAnswer:
    url = await link_to(services.objects, spoken.object_key, spoken.audio_format)
    available = spoken.available
    if available is None:
        async with transaction(services.pool) as tx:
            available = (await ledger.visit(tx, wish.user_id)).spendable
    is_demo = wish.consent_id is None or wish.model == LOCAL
    return CloneAnswer(
        url=url,
        credits_used=to_credits(spoken.cost),
        credits_remaining=to_credits(available),
        demo=True if is_demo else None,
        notice=DEMO_NOTICE if wish.model == LOCAL else None,
    )
