"""Somebody who consents: real speech of the phrase, recognised by the real local voice server."""

import io
import wave
from collections.abc import AsyncIterator
from functools import cache
from typing import Any
from uuid import UUID

import httpx2
import pytest
import pytest_asyncio

from local.stack import Stack
from local.voice.speech import SPEECH_RATE_HZ, synthesize
from tests.stack import clean_environment
from tests.web_process import Caller, Media, Web, running_web, web_settings

STORY = "Once there was a lighthouse keeper who lived alone on a rock in the sea. " * 4
OTHERS_STATEMENT = "I am Sam Example and I agree that my voice is cloned for this account."


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def voice_url(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    """A local voice server, which speaks and recognises."""
    async with Stack.start(
        data_dir=tmp_path_factory.mktemp("voice"),
        environment=clean_environment(),
        only=("voice",),
    ) as running:
        yield running.env["OPENAI_BASE_URL"]


def cloning_settings(voice_url: str, **changes: Any) -> dict[str, Any]:
    """Changes to `web_settings`: the local voice recognises, speaks and clones."""
    return {
        "recognition_base_url": voice_url,
        "recognition_model": "local-stt",
        "local_voice_url": voice_url,
        "clones_per_minute": 10_000,
        **changes,
    }


@pytest_asyncio.fixture
async def web(db_dsn: str, no_media: Media, voice_url: str) -> AsyncIterator[Web]:
    """The web process, not in demo mode."""
    settings = web_settings(db_dsn, no_media, **cloning_settings(voice_url))
    async with running_web(settings) as running:
        yield running


def wav(pcm: bytes, *, rate_hz: int = SPEECH_RATE_HZ) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setframerate(rate_hz)
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.writeframes(pcm)
    return file.getvalue()


def reading(text: str, voice: str = "Rex") -> bytes:
    """A WAV recording of somebody who says `text`."""
    return wav(synthesize(text, voice).pcm)


@cache
def reference(seconds: float, voice: str = "Rex") -> bytes:
    """A WAV recording of so many seconds of speech; always the same, which espeak alone is not."""
    return wav(synthesize(STORY, voice).pcm[: int(seconds * SPEECH_RATE_HZ) * 2])


async def begin(caller: Caller, **body: Any) -> dict[str, Any]:
    answer = await caller.web.client.post(
        "/api/consents", json={"whose": "own", **body}, headers=caller.headers
    )
    assert answer.status_code == 201, answer.text
    begun: dict[str, Any] = answer.json()
    return begun


async def send_recording(
    caller: Caller, consent_id: str, recording: bytes, media_type: str = "audio/wav"
) -> httpx2.Response:
    return await caller.web.client.post(
        f"/api/consents/{consent_id}/recording",
        content=recording,
        headers={**caller.headers, "Content-Type": media_type},
    )


async def consent(caller: Caller, **body: Any) -> UUID:
    """A consent that was given."""
    begun = await begin(caller, **body)
    answer = await send_recording(caller, begun["id"], reading(begun["phrase"]))
    assert answer.status_code == 201, answer.text
    return UUID(begun["id"])


async def clone(
    caller: Caller,
    *,
    recording: bytes | None = None,
    media_type: str = "audio/wav",
    file_name: str = "me.wav",
    headers: dict[str, str] | None = None,
    **fields: Any,
) -> httpx2.Response:
    """POST /api/clone-voice; a field that is None is left out, as is a recording of b""."""
    if recording is None:
        recording = reference(5)
    form = {"text": "Hello from my clone.", "locale": "en", **fields}
    return await caller.web.client.post(
        "/api/clone-voice",
        data={name: str(value) for name, value in form.items() if value is not None},
        files={"file": (file_name, recording, media_type)},
        headers={**caller.headers, **(headers or {})},
    )
