"""Settings of the web process: nothing secret has a default, and nothing secret is printed."""

import pytest

from control_plane.app import create_app
from control_plane.settings import WebSettings

COMPLETE = {
    "DATABASE_URL": "postgresql://nobody@/nothing",
    "LIVEKIT_URL": "ws://127.0.0.1:1",
    "LIVEKIT_API_KEY": "the key id of the media server",
    "LIVEKIT_API_SECRET": "the secret of the media server",
    "INTERNAL_TOKEN": "the credential of the workers",
    "SESSION_JWT_ISSUER": "https://issuer.test",
    "SESSION_JWT_AUDIENCE": "authenticated",
    "SESSION_JWT_SECRET": "the secret of the session issuer, long",
    "OBJECT_LINK_SECRET": "the secret of links to audio, long enough",
}


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in WebSettings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    for name, value in COMPLETE.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


def test_a_complete_environment_is_enough(environment: pytest.MonkeyPatch) -> None:
    settings = WebSettings()
    assert settings.local_dev is False
    assert settings.call_default_model == "grok-voice-think-fast-1.0"


@pytest.mark.parametrize("missing", COMPLETE)
def test_what_is_missing_is_named(environment: pytest.MonkeyPatch, missing: str) -> None:
    environment.delenv(missing)
    with pytest.raises(SystemExit) as stopped:
        create_app()
    assert missing in str(stopped.value)
    assert "\n" not in str(stopped.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SESSION_JWT_SECRET", "hunter2"),
        ("OBJECT_LINK_SECRET", "hunter2"),
        ("AWS_ENDPOINT_URL", "file:///hunter2"),
        ("INTERNAL_TOKEN", "hunter2"),
        ("API_KEY_HMAC_SECRET", "hunter2"),
        ("LIVEKIT_URL", "hunter2"),
        ("SESSION_JWKS_URL", "file:///hunter2"),
        ("CALL_SILENCE_LIMIT_S", "hunter2"),
        ("RECEIPT_SIGNING_KEYS", "name:hunter2"),
        ("RECEIPT_SIGNING_KEYS", "hunter2"),
        ("CALL_TOOLS", "remember,hunter2"),
    ],
)
def test_a_refused_value_is_named_and_not_printed(
    environment: pytest.MonkeyPatch, name: str, value: str
) -> None:
    environment.setenv(name, value)
    with pytest.raises(SystemExit) as stopped:
        create_app()
    assert name in str(stopped.value)
    for secret in ("hunter2", *COMPLETE.values()):
        assert secret not in str(stopped.value)


def test_a_key_set_takes_the_place_of_the_secret(environment: pytest.MonkeyPatch) -> None:
    environment.delenv("SESSION_JWT_SECRET")
    environment.setenv("SESSION_JWKS_URL", "https://issuer.test/keys")
    assert WebSettings().session_jwt_secret is None
    environment.setenv("LOCAL_DEV", "1")
    with pytest.raises(SystemExit, match="LOCAL_DEV needs SESSION_JWT_SECRET"):
        create_app()
