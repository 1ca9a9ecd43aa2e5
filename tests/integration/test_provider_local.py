"""The local voice as a provider: the real server, and the cloning demo measured by ear."""

import io
import wave
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import replace

import pytest
import pytest_asyncio

from control_plane.tts.catalog import MODELS
from control_plane.tts.likeness import likeness_of
from control_plane.tts.port import NoAudio, Utterance
from control_plane.tts.studio import Studio, open_studio
from local.voice.speech import synthesize
from shared.clock import SystemClock
from tests.fakes.providers import recordings
from tests.fakes.providers.cases import provider_settings
from tests.integration.voice_wire import running_voice

pytestmark = pytest.mark.asyncio(loop_scope="module")

HELLO = Utterance(
    model="local-tts", voice="rex", text="Hello there, it is a sunny day. We walk to the river."
)
CLONE = replace(HELLO, model="local-clone-demo", voice="mine")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def studio() -> AsyncIterator[Studio]:
    async with running_voice() as voice:
        settings = provider_settings(local_voice_url=voice.base_url)
        opened = open_studio(settings, SystemClock())
        yield opened
        await opened.close()


async def test_it_speaks_without_a_key(studio: Studio) -> None:
    speech = await studio.speak(MODELS["local"], HELLO)
    assert 2 < recordings.seconds_of(speech.audio, speech.media_type) < 8
    assert speech.model == "local-tts"


async def test_it_streams_the_same(studio: Studio) -> None:
    whole = await studio.speak(MODELS["local"], HELLO)
    async with aclosing(studio.stream(MODELS["local"], HELLO)) as pieces:
        streamed = b"".join([piece async for piece in pieces])
    assert whole.audio.endswith(streamed)


async def test_it_speaks_the_language_of_the_utterance(studio: Studio) -> None:
    english = await studio.speak(MODELS["local"], HELLO)
    german = await studio.speak(MODELS["local"], replace(HELLO, language="de-DE"))
    assert german.audio != english.audio
    assert german.model == "local-tts"


@pytest.mark.parametrize(("voice", "pitch"), [("m1", 30), ("rex", 85), ("ara", 30), ("eve", 80)])
async def test_a_clone_is_as_high_as_the_recording(studio: Studio, voice: str, pitch: int) -> None:
    reference = wav(synthesize(recordings.SPOKEN, voice, pitch=pitch).pcm)
    wanted_hz = likeness_of(reference).pitch_hz
    speech = await studio.speak(MODELS["local-clone"], replace(CLONE, reference=reference))
    assert likeness_of(spoken(speech.audio)).pitch_hz == pytest.approx(wanted_hz, rel=0.12)
    assert speech.model == "local-clone-demo"  # and says that it is one


async def test_a_clone_is_as_fast_as_the_recording(studio: Studio) -> None:
    paces, lengths = [], []
    for speed in (0.7, 1.0, 1.3):
        reference = recordings.wav(speed=speed)
        speech = await studio.speak(MODELS["local-clone"], replace(CLONE, reference=reference))
        paces.append(likeness_of(spoken(speech.audio)).pace)
        lengths.append(recordings.seconds_of(speech.audio, speech.media_type))
    assert paces == sorted(paces)
    assert lengths == sorted(lengths, reverse=True)
    assert lengths[0] / lengths[2] > 1.4


@pytest.mark.parametrize(
    "reference", [b"", b"RIFF....WAVE", bytes(20_000)], ids=["nothing", "a header", "zeros"]
)
async def test_what_is_no_recording_is_no_voice(studio: Studio, reference: bytes) -> None:
    with pytest.raises(NoAudio):
        await studio.speak(MODELS["local-clone"], replace(CLONE, reference=reference))


async def test_silence_is_no_voice(studio: Studio) -> None:
    with pytest.raises(NoAudio):
        await studio.speak(MODELS["local-clone"], replace(CLONE, reference=wav(bytes(5 * 48_000))))


def wav(pcm: bytes) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(24_000)
        writer.writeframes(pcm)
    return file.getvalue()


def spoken(streamed_wav: bytes) -> bytes:
    """A WAV with the length in its header, which a stream of unknown length has not."""
    return wav(streamed_wav[44:])
