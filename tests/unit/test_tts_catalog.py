"""The models on offer, and what upstream's clients know of them."""

import pytest

from control_plane.audio.port import AudioFormat
from control_plane.settings import SpeechProviderSettings
from control_plane.tts.catalog import MODELS, SpeechModel, model_of_voice, styled_text
from control_plane.tts.providers import REGISTRY
from control_plane.tts.token_counts import output_tokens

STYLE_25 = "cheerfully: Good morning"
STYLE_31 = "### DIRECTOR'S NOTES\nStyle: cheerfully\n\n## TRANSCRIPT\nGood morning"


def settings(**values: str) -> SpeechProviderSettings:
    return SpeechProviderSettings.model_validate(values)


def test_upstreams_models_come_first_in_its_order() -> None:
    assert list(MODELS)[:4] == ["gpro", "gpro31", "orpheus", "xai"]
    facts = [(m.id, m.chars_paid, m.formats, m.default_format) for m in MODELS.values()][:4]
    wav, mp3 = AudioFormat.WAV, AudioFormat.MP3
    assert facts == [
        ("gpro", 1000, (wav,), wav),
        ("gpro31", 1000, (wav,), wav),
        ("orpheus", 500, (mp3,), mp3),
        ("xai", 1000, (mp3, wav), mp3),
    ]


@pytest.mark.parametrize("model", MODELS.values(), ids=lambda model: model.id)
def test_no_limit_shrinks_when_somebody_pays(model: SpeechModel) -> None:
    assert 0 < model.chars_free <= model.chars_paid
    assert 0 <= model.style_chars_free <= model.style_chars_paid
    assert model.default_format in model.formats
    assert model.provider in {"gemini", "replicate", "xai", "local", "openai", "mistral"}


@pytest.mark.parametrize(
    ("voice_model", "model_id"),
    [
        ("gpro", "gpro"),
        ("xai", "xai"),
        ("voxtral", "voxtral"),
        (f"lucataco/orpheus-3b-0.1-ft:{'7' * 64}", "orpheus"),
        (f"gianpaj/cog-orpheus-3b-0.1-ft:{'6' * 64}", "orpheus"),
        ("resemble-ai/chatterbox-multilingual", "chatterbox-multilingual"),
        (f"resemble-ai/chatterbox:{'a' * 64}", "chatterbox"),
        ("somebody/gpro", "orpheus"),
        ("call-only-model", None),
        ("a/b/c", None),
        ("owner/name:not-a-version", None),
        ("", None),
    ],
)
def test_a_voice_names_its_model(voice_model: str, model_id: str | None) -> None:
    found = model_of_voice(voice_model)
    assert (found.id if found else None) == model_id


@pytest.mark.parametrize(
    ("model_id", "styled"),
    [
        ("gpro", STYLE_25),
        ("gpro31", STYLE_31),
        ("xai", "Good morning"),
        ("orpheus", "Good morning"),
        ("openai", "Good morning"),  # told apart from the text
    ],
)
def test_a_style_is_written_as_the_model_reads_it(model_id: str, styled: str) -> None:
    assert styled_text(MODELS[model_id], "Good morning", " cheerfully ") == styled


@pytest.mark.parametrize("style", [None, "", "   "])
def test_without_a_style_the_text_stays_as_it_is(style: str | None) -> None:
    assert styled_text(MODELS["gpro31"], "Good morning", style) == "Good morning"


def test_tokens_of_audio_are_rounded_up() -> None:
    assert [output_tokens(n) for n in (0, 1, 15, 16, 1000)] == [0, 3, 32, 35, 2134]


def test_nothing_is_switched_on_by_itself() -> None:
    assert [switch for switch in REGISTRY if getattr(settings(), switch)] == []


def test_openais_key_is_for_openai_alone() -> None:
    own = settings(openai_api_key="k" * 20, openai_speech_base_url="http://kokoro/v1")
    assert own.openai_speech_url == "http://kokoro/v1"
    assert own.openai_speech_api_key is None
    assert settings(openai_api_key="k" * 20).openai_speech_url == "https://api.openai.com/v1"


def test_the_local_voice_is_not_offered_twice() -> None:
    local = "http://127.0.0.1:8804/v1"
    stack = settings(openai_api_key="local", openai_base_url=local, local_voice_url=local)
    assert stack.openai_speech_url is None
