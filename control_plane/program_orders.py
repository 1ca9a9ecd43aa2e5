"""
Turns what a program asks for into an order, with upstream's checks in upstream's order:
voice, model, length, format. Credit is the desk's business.
"""

from dataclasses import dataclass
from uuid import UUID

from billing.errors import AccountFrozen
from control_plane.api_keys import ApiCaller
from control_plane.audio.port import AudioFormat
from control_plane.errors import VoiceNotFound
from control_plane.speech.order import Source, SpeechOrder, SpeechVoice
from control_plane.store import speech_voices
from control_plane.store.speech_voices import Speaker
from control_plane.tts.catalog import SpeechModel, model_of_voice, styled_text
from control_plane.tts.port import InputTooLong
from control_plane.tts.studio import Studio
from shared.db import Pool, transaction
from shared.errors import Invalid, NotFound
from shared.ids import uuid_or_none


class ModelNotFound(Invalid):
    """The voice does not belong to this model"""

    code = "model_not_found"
    param = "model"


class UnknownModel(NotFound):
    """The model does not exist"""

    code = "model_not_found"
    param = "model"


class UnsupportedFormat(Invalid):
    """This response format is not supported by the model"""

    code = "unsupported_response_format"
    param = "response_format"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgramWish:
    """
    A request of a program. The voice is one of `voice_id` and `voice_name`; `model` is our id.

    `..._param` are what the request calls its fields. `any_format` lets a model
    answer in formats that its entry of the catalogue does not offer; `any_length` a job cut the
    text itself.
    """

    text: str
    voice_id: UUID | None = None
    voice_name: str | None = None
    model: str | None = None
    audio_format: AudioFormat | None = None
    style: str | None = None
    seed: int | None = None
    temperature: float | None = None
    speed: float | None = None
    voice_param: str = "voice"
    input_param: str = "input"
    style_param: str = "style"
    any_format: bool = False
    any_length: bool = False
    is_fresh: bool = False
    request_id: str | None = None


@dataclass(frozen=True, slots=True)
class ProgramOrder:
    """An order and the entry of the catalogue that it is for."""

    order: SpeechOrder
    model: SpeechModel


async def order_of(
    pool: Pool, studio: Studio, caller: ApiCaller, wish: ProgramWish
) -> ProgramOrder:
    """
    Raises AccountFrozen, VoiceNotFound, ModelNotFound, InputTooLong, UnsupportedFormat, or Invalid
    for a text of nothing but white space.
    """
    speaker = await _speaker_for(pool, caller, wish)
    if speaker.standing.is_frozen:
        raise AccountFrozen
    voice = speaker.voice
    model = model_of_voice(voice.model) if voice else None
    if voice is None or model is None or not studio.offers(model):
        raise VoiceNotFound(param=wish.voice_param)
    if wish.model is not None and wish.model != model.id:
        raise ModelNotFound(f"The voice does not belong to the model {wish.model}")
    if not wish.text.strip():
        raise Invalid("The input is empty", param=wish.input_param)
    if not wish.any_length:
        _check_length(model, wish, is_paid=speaker.standing.longer_texts)
    order = _order(caller, wish, voice, model, is_paid=speaker.standing.is_paid)
    return ProgramOrder(order, model)


async def _speaker_for(pool: Pool, caller: ApiCaller, wish: ProgramWish) -> Speaker:
    """
    The account, with the voice of that model if there is one, else with any of that name.

    Many clients have one field for a voice, so an id stands where a name may stand.
    """
    speaker: Speaker | None = None
    async with transaction(pool) as tx:
        voice_id = wish.voice_id or uuid_or_none(wish.voice_name)
        if voice_id is not None:
            speaker = await speech_voices.find(tx, voice_id=voice_id, owner=caller.user_id)
        elif wish.voice_name is not None:
            for model in dict.fromkeys((wish.model, None)):
                speaker = await speech_voices.find_by_name(
                    tx, name=wish.voice_name, model=model, owner=caller.user_id
                )
                if speaker and speaker.voice:
                    break
    if speaker is None:
        raise VoiceNotFound(param=wish.voice_param)
    return speaker


def _check_length(model: SpeechModel, wish: ProgramWish, *, is_paid: bool) -> None:
    """Raises InputTooLong. What is measured is what the model is given to read."""
    limit = model.chars_max(is_paid=is_paid)
    if len(styled_text(model, wish.text, wish.style)) > limit:
        styled = " after applying style" if len(wish.text) <= limit else ""
        raise InputTooLong(
            f"The input exceeds the maximum length of {limit} characters{styled}",
            param=wish.input_param,
        )
    style_limit = model.style_chars_max(is_paid=is_paid)
    if wish.style and style_limit and len(wish.style) > style_limit:
        raise InputTooLong(
            f"The style exceeds the maximum length of {style_limit} characters",
            param=wish.style_param,
        )


def _order(
    caller: ApiCaller, wish: ProgramWish, voice: SpeechVoice, model: SpeechModel, *, is_paid: bool
) -> SpeechOrder:
    audio_format = wish.audio_format or model.default_format
    if not wish.any_format and audio_format not in model.formats:
        offered = " or ".join(model.formats)
        raise UnsupportedFormat(f"The model {model.id} answers in {offered} only")
    return SpeechOrder(
        user_id=caller.user_id,
        voice=voice,
        text=wish.text,
        source=Source.API_VOICE_CLONING if model.is_clone else Source.API_TTS,
        audio_format=audio_format,
        is_paid=is_paid,
        style=_style(model, wish, is_paid=is_paid),
        seed=wish.seed,
        temperature=wish.temperature,
        speed=wish.speed,
        api_key_id=caller.api_key_id,
        request_id=wish.request_id,
        is_fresh=wish.is_fresh,
    )


def _style(model: SpeechModel, wish: ProgramWish, *, is_paid: bool) -> str | None:
    """None where the model knows none, so that it does not make another audio of the same."""
    if not wish.style or not wish.style.strip() or not model.style_chars_max(is_paid=is_paid):
        return None
    return wish.style
