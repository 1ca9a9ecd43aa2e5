"""
What OpenAI's clients call models and voices, and which of ours they get.

A model of theirs says "any good voice", so it stands for the model that the settings name, or for
the first one that can be used. A voice of theirs that the model does not have is one of its own,
always the same one.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Final
from uuid import UUID

from control_plane.api_keys import ApiCaller
from control_plane.errors import VoiceNotFound
from control_plane.openai_settings import OpenAiSettings
from control_plane.program_orders import (
    ModelNotFound,
    ProgramOrder,
    ProgramWish,
    UnknownModel,
    order_of,
)
from control_plane.store import offered_voices
from control_plane.tts.catalog import MODELS, SpeechModel
from control_plane.tts.studio import Studio
from shared.db import Pool, transaction
from shared.ids import uuid_or_none

ALIASES: Final = ("tts-1", "tts-1-hd", "gpt-4o-mini-tts")
VOICES: Final = (
    "alloy ash ballad coral echo fable onyx nova sage shimmer verse marin cedar"
).split()
NAMES_MAX: Final = 50  # voices of one model that theirs are spread over


def offered_models(studio: Studio) -> Iterator[SpeechModel]:
    """Those that speak with voices of the catalogue."""
    return (model for model in MODELS.values() if not model.is_clone and studio.offers(model))


def model_called(name: str, studio: Studio, settings: OpenAiSettings) -> SpeechModel:
    """Raises UnknownModel."""
    offered = {model.id: model for model in offered_models(studio)}
    if name in ALIASES:
        wanted = settings.openai_alias_model or next(iter(offered), "")
        if wanted in offered:
            return offered[wanted]
    elif name in offered:
        return offered[name]
    raise UnknownModel(f"The model {name[:100]!r} does not exist")


async def order_called(
    pool: Pool,
    studio: Studio,
    settings: OpenAiSettings,
    caller: ApiCaller,
    wish: ProgramWish,
    *,
    model_name: str,
) -> ProgramOrder:
    """
    An order for what `wish` names in OpenAI's words, its `model` left out.

    Raises UnknownModel, and what `order_of` raises.
    """
    model = model_called(model_name, studio, settings)
    exact = replace(wish, model=model.id)
    if wish.voice_id is not None:
        # With a voice of one's own the name of the model is only what clients must send.
        return await order_of(pool, studio, caller, replace(wish, model=None))
    try:
        return await order_of(pool, studio, caller, exact)
    except (ModelNotFound, VoiceNotFound):
        if wish.voice_name in VOICES:
            stand_in = await _stand_in(pool, model, wish.voice_name)
            return await order_of(pool, studio, caller, replace(exact, voice_name=stand_in))
        if model_name in ALIASES:
            return await order_of(pool, studio, caller, replace(wish, model=None))
        raise


async def _stand_in(pool: Pool, model: SpeechModel, voice: str) -> str:
    """The voice of the model that stands for OpenAI's. Raises VoiceNotFound when it has none."""
    async with transaction(pool) as tx:
        names = await offered_voices.names_of_model(tx, model=model.id, limit=NAMES_MAX)
    if not names:
        raise VoiceNotFound(param="voice")
    return names[VOICES.index(voice) % len(names)]


def voice_id_in(text: str) -> UUID:
    """Raises VoiceNotFound: what is no id is the id of no voice."""
    voice_id = uuid_or_none(text)
    if voice_id is None:
        raise VoiceNotFound(param="voice")
    return voice_id
