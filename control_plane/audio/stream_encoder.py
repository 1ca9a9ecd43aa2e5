"""
Our own PCM as what players want, while it is still being spoken.

Cheap enough for the web process (FLAC 1 ms of CPU for a second of speech, Opus 9, MP3 and AAC 13;
measured) and without anything that was foreign once. Not to be used from two threads at once; one
after the other is fine.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from typing import TYPE_CHECKING, Any, Final, Protocol

from control_plane.audio.port import AudioFormat
from control_plane.audio.wav import SAMPLE_BYTES, wav_header

if TYPE_CHECKING:
    from av import AudioFrame

THREAD_FROM_BYTES: Final = 9_600  # 200 ms of PCM; for less a thread costs more than the encoding
# FFmpeg hands on each packet at once, for it sees that our outlet cannot be wound back.
CONTAINER_OPTIONS: Final = {
    AudioFormat.MP3: {"write_xing": "0", "id3v2_version": "0"},  # both are written at the end
    AudioFormat.OPUS: {"page_duration": "20000"},  # else a page of Ogg waits for a whole second
}


class StreamEncoder:
    """Feed PCM (mono, 16 bit, 24 kHz), get bytes of one format; what is fed may be cut anywhere."""

    def __init__(self, audio_format: AudioFormat) -> None:
        self._rest = b""  # half a sample
        self._encoder: _Encoder
        if audio_format is AudioFormat.PCM:
            self._encoder = _Bare(b"")
        elif audio_format is AudioFormat.WAV:
            self._encoder = _Bare(wav_header(None))
        else:
            self._encoder = _Muxed(audio_format)

    def feed(self, pcm: bytes) -> bytes:
        """What is ready; empty while the codec waits for a whole frame (20 to 43 ms)."""
        data = self._rest + pcm
        whole = len(data) - len(data) % SAMPLE_BYTES
        self._rest = data[whole:]
        return self._encoder.feed(data[:whole])

    def finish(self) -> bytes:
        """The end of the stream; after it nothing may be fed."""
        return self._encoder.finish()


async def encode_stream(
    pcm: AsyncIterator[bytes], audio_format: AudioFormat
) -> AsyncGenerator[bytes, None]:
    """`pcm` as it comes in `audio_format`; the loop is not held up by long pieces."""
    encoder = StreamEncoder(audio_format)
    async for piece in pcm:
        long = len(piece) >= THREAD_FROM_BYTES
        made = await asyncio.to_thread(encoder.feed, piece) if long else encoder.feed(piece)
        if made:
            yield made
    if last := encoder.finish():
        yield last


class _Encoder(Protocol):
    def feed(self, pcm: bytes) -> bytes: ...

    def finish(self) -> bytes: ...


class _Bare:
    """PCM is what it is, after a header or none."""

    def __init__(self, header: bytes) -> None:
        self._header = header

    def feed(self, pcm: bytes) -> bytes:
        header, self._header = self._header, b""
        return header + pcm

    def finish(self) -> bytes:
        return self.feed(b"")


class _Muxed:
    """Through FFmpeg, which the web process loads with the first stream that needs it."""

    def __init__(self, audio_format: AudioFormat) -> None:
        import av  # noqa: PLC0415

        from control_plane.audio.encoding import ENCODINGS, audio_stream  # noqa: PLC0415

        encoding = ENCODINGS[audio_format]
        self._outlet = _Outlet()
        self._container: Any = av.open(
            self._outlet,
            "w",
            format=encoding.container,
            container_options=CONTAINER_OPTIONS.get(audio_format, {}),
        )
        self._stream = audio_stream(self._container, encoding)
        self._fed_samples = 0

    def feed(self, pcm: bytes) -> bytes:
        from control_plane.audio.frames import frames_of  # noqa: PLC0415

        for frame in frames_of(pcm, first=self._fed_samples):
            self._fed_samples += frame.samples
            self._encode(frame)
        return self._outlet.taken()

    def finish(self) -> bytes:
        self._encode(None)
        self._container.close()
        return self._outlet.taken()

    def _encode(self, frame: "AudioFrame | None") -> None:
        self._container.mux(self._stream.encode(frame))


class _Outlet:
    """A file that cannot be wound back, as FFmpeg sees it."""

    def __init__(self) -> None:
        self._written = bytearray()

    def write(self, data: bytes) -> int:
        self._written += data
        return len(data)

    def taken(self) -> bytes:
        """What was written since the last time."""
        taken = bytes(self._written)
        self._written.clear()
        return taken
