"""Real audio in the containers that providers send. Made once, remembered."""

import functools
import io
import wave

import av
import numpy as np

from local.voice.speech import SPEECH_RATE_HZ, synthesize

SPOKEN = "This is what the provider says. It takes a moment or two."


@functools.cache
def pcm() -> bytes:
    return synthesize(SPOKEN, "caller").pcm


@functools.cache
def wav(pitch: int | None = None, speed: float = 1.0) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(SPEECH_RATE_HZ)
        writer.writeframes(synthesize(SPOKEN, "caller", pitch=pitch, speed=speed).pcm)
    return file.getvalue()


@functools.cache
def mp3() -> bytes:
    file = io.BytesIO()
    with av.open(file, "w", format="mp3") as container:
        stream = container.add_stream("libmp3lame", rate=SPEECH_RATE_HZ)
        samples = np.frombuffer(pcm(), dtype="<i2").reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(samples, format="s16", layout="mono")
        frame.sample_rate = SPEECH_RATE_HZ
        container.mux([*stream.encode(frame), *stream.encode(None)])
    return file.getvalue()


def seconds_of(audio: bytes, media_type: str) -> float:
    """How long it plays. Raises what PyAV raises for what is no audio."""
    if media_type.lower().startswith("audio/l16"):
        return len(audio) / 2 / SPEECH_RATE_HZ
    with av.open(io.BytesIO(audio), "r") as container:
        return float(sum(frame.samples / frame.sample_rate for frame in container.decode(audio=0)))
