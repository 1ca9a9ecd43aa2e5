"""GET /api/voices."""

from typing import Final, Literal
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel

from control_plane.routes.answers import Answer, errors
from control_plane.services import CurrentServices, Services, SignedIn
from control_plane.store import voices
from control_plane.store.voices import ListedVoice
from control_plane.tts.catalog import SpeechModel, model_of_voice
from shared.db import transaction

router = APIRouter(tags=["voices"])

VOICES_MAX: Final = 500  # everybody's and one's own


class VoiceView(BaseModel):
    """Upstream's columns in its spelling. `formats` and styles: what the voice's model can do."""

    id: UUID
    name: str
    description: str | None
    language: str
    feature: str
    model: str
    type: str | None
    is_public: bool
    is_nsfw: bool
    is_own: bool
    sample_url: str | None
    sample_prompt: str | None
    sort_order: int
    formats: list[str]
    supports_style: bool
    supports_streaming: bool


class Voices(Answer):
    data: list[VoiceView]


@router.get("/api/voices", responses=errors(400, 401, 503))
async def list_voices(
    services: CurrentServices, user_id: SignedIn, feature: Literal["tts", "call"] | None = None
) -> Voices:
    """Voices the account may use now, for calls, for speech, or both."""
    async with transaction(services.pool) as tx:
        found = await voices.list_voices(tx, feature=feature, owner=user_id, limit=VOICES_MAX)
    views = [(voice, _model_of(services, voice)) for voice in found]
    return Voices(
        data=[
            _view(voice, model)
            for voice, model in views
            if voice.feature == "call" or model is not None
        ]
    )


def _model_of(services: Services, voice: ListedVoice) -> SpeechModel | None:
    """The model a voice for speech is spoken by; None when nobody can speak it now."""
    if voice.feature == "call":
        return None
    model = model_of_voice(voice.model)
    return model if model is not None and services.studio.offers(model) else None


def _view(voice: ListedVoice, model: SpeechModel | None) -> VoiceView:
    return VoiceView(
        id=voice.id,
        name=voice.name,
        description=voice.description,
        language=voice.language,
        feature=voice.feature,
        model=voice.model,
        type=voice.type,
        is_public=voice.is_public,
        is_nsfw=voice.is_nsfw,
        is_own=voice.is_own,
        sample_url=voice.sample_url,
        sample_prompt=voice.sample_prompt,
        sort_order=voice.sort_order,
        formats=[str(each) for each in model.formats] if model else [],
        supports_style=bool(model and model.style_chars_paid),
        supports_streaming=bool(model and model.streams),
    )
