"""GET /api/voices."""

from typing import Final, Literal
from uuid import UUID

from fastapi import APIRouter

from control_plane.routes.answers import Answer, errors
from control_plane.services import CurrentServices, SignedIn
from control_plane.store import voices
from shared.db import transaction

router = APIRouter(tags=["voices"])

VOICES_MAX: Final = 500  # everybody's and one's own


class VoiceView(Answer):
    id: UUID
    name: str
    description: str | None
    language: str
    feature: str


class Voices(Answer):
    data: list[VoiceView]


@router.get("/api/voices", responses=errors(400, 401, 503))
async def list_voices(
    services: CurrentServices, user_id: SignedIn, feature: Literal["tts", "call"] | None = None
) -> Voices:
    """Voices the account may use, for calls, for speech, or both."""
    async with transaction(services.pool) as tx:
        found = await voices.list_voices(tx, feature=feature, owner=user_id, limit=VOICES_MAX)
    return Voices(
        data=[
            VoiceView(
                id=voice.id,
                name=voice.name,
                description=voice.description,
                language=voice.language,
                feature=voice.feature,
            )
            for voice in found
        ]
    )
