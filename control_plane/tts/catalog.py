"""
The models on offer: what each is called, who runs it, and its limits. Nothing here knows a price.

Whether a model can be used depends on the keys that are set: ask `Studio.offers`.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal

from control_plane.audio.port import AudioFormat
from control_plane.tts.styles import spoken_text

ORPHEUS: Final = (
    "lucataco/orpheus-3b-0.1-ft:79f2a473e6a9720716a473d9b2f2951437dbf91dc02ccb7079fb3d89b881207f"
)
CHATTERBOX: Final = (
    "resemble-ai/chatterbox:1b8422bc49635c20d0a84e387ed20879c0dd09254ecdb4e75dc4bec10ff94e97"
)
CHATTERBOX_MULTILINGUAL: Final = (
    "resemble-ai/chatterbox-multilingual:"
    "9cfba4c265e685f840612be835424f8c33bdee685d7466ece7684b0d9d4c0b1c"
)
# "owner/name" or "owner/name:version", as Replicate names what it runs.
REPLICATE_PATH: Final = re.compile(r"[\w.-]{1,100}/[\w.-]{1,100}(:[0-9a-f]{64})?")

WAV_ONLY: Final = (AudioFormat.WAV,)
EVERY_FORMAT: Final = tuple(AudioFormat)


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeechModel:
    """
    One entry of the catalogue; `id` is ours, `provider_model_*` are the provider's names.

    Limits are in characters; 0 for a style means that it is ignored. `native_format` is what the
    provider sends, `formats` is what the v1 contract offers. `streams` tells whether audio can be
    had while it is made.
    """

    id: str
    name: str
    provider: str
    provider_model_paid: str
    provider_model_free: str
    native_format: AudioFormat
    formats: tuple[AudioFormat, ...]
    default_format: AudioFormat
    chars_free: int
    chars_paid: int
    fallback_model: str | None = None  # the provider's; tried once when the wanted one fails
    style_chars_free: int = 0
    style_chars_paid: int = 0
    unit: Literal["character", "token"] = "character"
    is_clone: bool = False
    streams: bool = False

    def provider_model(self, *, is_paid: bool) -> str:
        return self.provider_model_paid if is_paid else self.provider_model_free

    def chars_max(self, *, is_paid: bool) -> int:
        return self.chars_paid if is_paid else self.chars_free

    def style_chars_max(self, *, is_paid: bool) -> int:
        return self.style_chars_paid if is_paid else self.style_chars_free


def styled_text(model: SpeechModel, text: str, style: str | None) -> str:
    """What the model is given to read, style included; length and price are measured on it."""
    return spoken_text(model.provider_model_paid, text, style)


def model_of_voice(voice_model: str) -> SpeechModel | None:
    """
    The entry for what is written in `voices.model`: an id of ours or a model path of Replicate.

    None for a voice that cannot be spoken with by us.
    """
    if voice_model in MODELS:
        return MODELS[voice_model]
    if not REPLICATE_PATH.fullmatch(voice_model):
        return None
    path = voice_model.partition(":")[0]
    named = (m for m in MODELS.values() if m.provider_model_paid.partition(":")[0] == path)
    return next(named, MODELS["orpheus"])


_ENTRIES: Final = (
    SpeechModel(
        id="gpro",
        name="Gemini 2.5 Pro TTS",
        provider="gemini",
        provider_model_paid="gemini-2.5-pro-preview-tts",
        provider_model_free="gemini-2.5-flash-preview-tts",
        fallback_model="gemini-2.5-flash-preview-tts",
        native_format=AudioFormat.PCM,
        formats=WAV_ONLY,
        default_format=AudioFormat.WAV,
        chars_free=500,
        chars_paid=1_000,
        style_chars_free=1_000,
        style_chars_paid=2_500,
        unit="token",
        streams=True,
    ),
    SpeechModel(
        id="gpro31",
        name="Gemini 3.1 Flash TTS",
        provider="gemini",
        provider_model_paid="gemini-3.1-flash-tts-preview",
        provider_model_free="gemini-3.1-flash-tts-preview",
        fallback_model="gemini-2.5-flash-preview-tts",
        native_format=AudioFormat.PCM,
        formats=WAV_ONLY,
        default_format=AudioFormat.WAV,
        chars_free=500,
        chars_paid=1_000,
        style_chars_free=1_000,
        style_chars_paid=2_500,
        unit="token",
        streams=True,
    ),
    SpeechModel(
        id="orpheus",
        name="Orpheus",
        provider="replicate",
        provider_model_paid=ORPHEUS,
        provider_model_free=ORPHEUS,
        native_format=AudioFormat.MP3,
        formats=(AudioFormat.MP3,),
        default_format=AudioFormat.MP3,
        chars_free=500,
        chars_paid=500,
    ),
    SpeechModel(
        id="xai",
        name="Grok TTS",
        provider="xai",
        provider_model_paid="grok-tts",
        provider_model_free="grok-tts",
        native_format=AudioFormat.WAV,
        formats=(AudioFormat.MP3, AudioFormat.WAV),
        default_format=AudioFormat.MP3,
        chars_free=500,
        chars_paid=1_000,
        streams=True,
    ),
    SpeechModel(
        id="local",
        name="Local demo voice",
        provider="local",
        provider_model_paid="local-tts",
        provider_model_free="local-tts",
        native_format=AudioFormat.WAV,
        formats=EVERY_FORMAT,
        default_format=AudioFormat.WAV,
        chars_free=4_096,
        chars_paid=4_096,
        streams=True,
    ),
    SpeechModel(
        id="openai",
        name="OpenAI-compatible speech",
        provider="openai",
        provider_model_paid="gpt-4o-mini-tts",
        provider_model_free="gpt-4o-mini-tts",
        native_format=AudioFormat.WAV,
        formats=EVERY_FORMAT,
        default_format=AudioFormat.WAV,
        chars_free=500,
        chars_paid=4_096,
        style_chars_free=1_000,
        style_chars_paid=2_500,
        streams=True,
    ),
    SpeechModel(
        id="voxtral",
        name="Voxtral cloning",
        provider="mistral",
        provider_model_paid="voxtral-mini-tts-2603",
        provider_model_free="voxtral-mini-tts-2603",
        native_format=AudioFormat.WAV,
        formats=WAV_ONLY,
        default_format=AudioFormat.WAV,
        chars_free=1_000,
        chars_paid=4_000,
        is_clone=True,
    ),
    SpeechModel(
        id="chatterbox",
        name="Chatterbox cloning",
        provider="replicate",
        provider_model_paid=CHATTERBOX,
        provider_model_free=CHATTERBOX,
        native_format=AudioFormat.WAV,
        formats=WAV_ONLY,
        default_format=AudioFormat.WAV,
        chars_free=300,
        chars_paid=300,
        is_clone=True,
    ),
    SpeechModel(
        id="chatterbox-multilingual",
        name="Chatterbox multilingual cloning",
        provider="replicate",
        provider_model_paid=CHATTERBOX_MULTILINGUAL,
        provider_model_free=CHATTERBOX_MULTILINGUAL,
        native_format=AudioFormat.WAV,
        formats=WAV_ONLY,
        default_format=AudioFormat.WAV,
        chars_free=300,
        chars_paid=300,
        is_clone=True,
    ),
    SpeechModel(
        id="local-clone",
        name="Local cloning demo: pitch and pace of the recording",
        provider="local",
        provider_model_paid="local-clone-demo",
        provider_model_free="local-clone-demo",
        native_format=AudioFormat.WAV,
        formats=EVERY_FORMAT,
        default_format=AudioFormat.WAV,
        chars_free=1_000,
        chars_paid=4_000,
        is_clone=True,
        streams=True,
    ),
)
MODELS: Final[Mapping[str, SpeechModel]] = MappingProxyType({m.id: m for m in _ENTRIES})
