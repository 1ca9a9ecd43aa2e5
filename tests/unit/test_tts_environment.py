"""Which providers the local stack has: its own voice, unless somebody wants to pay."""

from pathlib import Path

from control_plane.settings import SpeechProviderSettings
from control_plane.tts.providers import REGISTRY
from local.environment import External, stack_environment
from local.layout import Layout
from local.ports import ports_from_environment

KEYS = {
    "GEMINI_API_KEY": "real",
    "REPLICATE_API_TOKEN": "real",
    "XAI_API_KEY": "real",
    "MISTRAL_API_KEY": "real",
    "OPENAI_API_KEY": "real",
}


def switched_on(data: Path, **base: str) -> list[str]:
    made = stack_environment(
        base,
        layout=Layout(data),
        ports=ports_from_environment({}),
        external=External.of(base),
    )
    read = {name: made.get(name.upper()) for name in SpeechProviderSettings.model_fields}
    settings = SpeechProviderSettings.model_validate({k: v for k, v in read.items() if v})
    return [switch for switch in REGISTRY if getattr(settings, switch)]


def test_a_demo_speaks_with_the_local_voice_alone(tmp_path: Path) -> None:
    assert switched_on(tmp_path, **KEYS) == ["local_voice_url"]


def test_a_real_voice_brings_all_providers_that_have_keys(tmp_path: Path) -> None:
    assert switched_on(tmp_path, **KEYS, LOCAL_REAL_VOICE="1") == [
        "gemini_api_key",
        "replicate_api_token",
        "xai_api_key",
        "mistral_api_key",
        "openai_speech_url",
    ]
