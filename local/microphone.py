"""The simulated caller's microphone: recorded or synthesized speech, sent as a person's is."""

import asyncio
import functools
import wave
from pathlib import Path

from livekit import rtc

from local.failure import CannotRun
from local.voice.resample import resample
from local.voice.speech import SPEECH_RATE_HZ, synthesize

RATE_HZ = SPEECH_RATE_HZ
BYTES_PER_SAMPLE = 2
CHUNK_S = 0.1  # handed over at once; larger costs less, but is cut off later when we fall silent
QUEUE_MS = 200  # buffered in the rtc engine; it sends silence by itself when we give nothing
WAV_SECONDS_MAX = 600


@functools.lru_cache(maxsize=256)
def spoken(text: str) -> bytes:
    """PCM16 mono at RATE_HZ in the caller's voice, made once a process."""
    return synthesize(text, "caller").pcm


def recorded(path: Path) -> bytes:
    """PCM16 mono at RATE_HZ from a WAV file of 16 bits. Raises CannotRun for anything else."""
    try:
        with wave.open(str(path)) as file:
            channels, rate_hz, frames = file.getnchannels(), file.getframerate(), file.getnframes()
            if file.getsampwidth() != BYTES_PER_SAMPLE or frames > rate_hz * WAV_SECONDS_MAX:
                raise CannotRun(
                    f"{path}: give a WAV file of 16 bits, at most {WAV_SECONDS_MAX} s long."
                )
            pcm = file.readframes(frames)
    except (OSError, EOFError, wave.Error) as error:
        raise CannotRun(f"{path} cannot be read as a WAV file ({error}).") from error
    samples = memoryview(pcm).cast("h")[::channels].tobytes()  # the first channel
    return resample(samples, source_hz=rate_hz, target_hz=RATE_HZ)


def duration_s(pcm: bytes) -> float:
    return len(pcm) / BYTES_PER_SAMPLE / RATE_HZ


class Microphone:
    """A published audio track."""

    def __init__(self) -> None:
        self._source = rtc.AudioSource(RATE_HZ, 1, queue_size_ms=QUEUE_MS)

    async def publish(self, room: rtc.Room) -> None:
        track = rtc.LocalAudioTrack.create_audio_track("microphone", self._source)
        options = rtc.TrackPublishOptions(source=rtc.TrackSource.SOURCE_MICROPHONE)
        await room.local_participant.publish_track(track, options)

    async def say(self, pcm: bytes) -> None:
        """Returns when the last sample was sent. A cancelled caller falls silent at once."""
        step = int(CHUNK_S * RATE_HZ) * BYTES_PER_SAMPLE
        try:
            for start in range(0, len(pcm), step):
                chunk = pcm[start : start + step]
                samples = len(chunk) // BYTES_PER_SAMPLE
                await self._source.capture_frame(rtc.AudioFrame(chunk, RATE_HZ, 1, samples))
            await self._source.wait_for_playout()
        except asyncio.CancelledError:
            self._source.clear_queue()
            raise

    async def close(self) -> None:
        await self._source.aclose()
