"""Our own PCM as what players want, a whole recording at once."""

import io
from dataclasses import dataclass, field
from typing import Any, Final

import av

from control_plane.audio.frames import frames_of
from control_plane.audio.port import SPEECH_RATE_HZ, AudioFormat


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoding:
    """What FFmpeg calls a container and a codec, and how we want them for speech."""

    container: str
    codec: str
    rate_hz: int = SPEECH_RATE_HZ
    bits_per_s: int | None = None
    options: dict[str, str] = field(default_factory=dict)


ENCODINGS: Final = {
    # 64 kbit/s: at 24 kHz LAME cuts nothing that is in speech.
    AudioFormat.MP3: Encoding(container="mp3", codec="libmp3lame", bits_per_s=64_000),
    AudioFormat.OPUS: Encoding(
        container="ogg", codec="libopus", bits_per_s=32_000, options={"application": "voip"}
    ),
    # Level 0: frames of 27 ms instead of 105, a quarter of the CPU, 5 % more bytes.
    AudioFormat.FLAC: Encoding(container="flac", codec="flac", options={"compression_level": "0"}),
    # ADTS cannot tell how much silence the codec adds at both ends; at 48 kHz it is half as much.
    AudioFormat.AAC: Encoding(container="adts", codec="aac", rate_hz=48_000, bits_per_s=64_000),
}


def encoded(pcm: bytes, audio_format: AudioFormat) -> bytes:
    """`pcm` (mono, 16 bit, SPEECH_RATE_HZ) as a whole file, for the formats that need FFmpeg."""
    file = io.BytesIO()
    encoding = ENCODINGS[audio_format]
    with av.open(file, "w", format=encoding.container) as container:
        stream = audio_stream(container, encoding)
        for frame in frames_of(pcm):
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return file.getvalue()


def audio_stream(container: Any, encoding: Encoding) -> Any:
    """A mono stream in an output container of PyAV."""
    stream = container.add_stream(encoding.codec, rate=encoding.rate_hz, layout="mono")
    stream.codec_context.options = encoding.options
    stream.codec_context.thread_count = 1  # a thread costs more than a frame of speech
    if encoding.bits_per_s is not None:
        stream.bit_rate = encoding.bits_per_s
    return stream
