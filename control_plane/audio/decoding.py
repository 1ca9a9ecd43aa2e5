"""
Foreign audio as PCM of ours. Runs in a worker and nowhere else.

Everything is counted while it is decoded: neither a header's claim nor the size of the file says
how much will come out. Nothing but audio is decoded, and of that only what people really send.
"""

import io
from collections.abc import Iterator
from typing import Any, Final

import av
from av.container import InputContainer
from av.error import FFmpegError

from control_plane.audio import measuring
from control_plane.audio.frames import frames_of
from control_plane.audio.port import (
    SPEECH_RATE_HZ,
    AudioFacts,
    AudioTooLong,
    BadAudio,
    Recording,
)

BARE_PCM: Final = frozenset({"audio/l16", "audio/pcm"})
# FFmpeg knows hundreds more; some of them open other files or addresses by themselves.
CONTAINERS: Final = "wav,w64,mp3,ogg,mov,flac,matroska,aac,aiff"
CODECS: Final = frozenset(
    "mp3 mp3float opus libopus vorbis aac flac alac pcm_u8 pcm_s16le pcm_s16be pcm_s24le pcm_s24be "
    "pcm_s32le pcm_s32be pcm_f32le pcm_f32be pcm_f64le pcm_alaw pcm_mulaw".split()
)
RATE_HZ_MIN: Final = 4_000  # one sample of a slower one would become a flood of ours
RATE_HZ_MAX: Final = 384_000
CHANNELS_MAX: Final = 16
BAD_PACKETS_ALLOWED: Final = 2  # an MP3 cut out of a longer one begins with a frame nobody can read
BAD_PACKETS_SHARE_MAX: Final = 0.02  # of all; more than a scratch
ROUNDING_S: Final = 0.001  # of containers, which is not the client's fault
# FFmpeg and PyAV raise these, too, for bytes they cannot make sense of.
NONSENSE: Final = (FFmpegError, ValueError, OverflowError, LookupError, TypeError)


def decoded(data: bytes, *, media_type: str, max_s: float, trim_s: float | None) -> Recording:
    """The first `trim_s` of `data`. Raises AudioTooLong beyond `max_s`, BadAudio for all else."""
    try:
        source = _bare(data, media_type) or _Container(data)
        collector = _Collector(max_s=max_s, trim_s=trim_s)
        for frame in source.frames():
            collector.add(frame)
        pcm = collector.finish()
    except MemoryError:  # FFmpeg's own is nonsense, too, by its class; the worker ends with it
        raise
    except NONSENSE:
        raise BadAudio from None
    if not pcm:
        raise BadAudio
    return Recording(pcm=pcm, facts=_facts(source, pcm))


class _Bare:
    """Samples without a container: 16 bit little endian, whatever RFC 2586 says."""

    codec = "pcm_s16le"

    def __init__(self, data: bytes, *, rate_hz: int, channels: int) -> None:
        _check_shape(rate_hz, channels)
        self._data = data
        self.rate_hz = rate_hz
        self.channels = channels

    def frames(self) -> Iterator[av.AudioFrame]:
        return frames_of(self._data, rate_hz=self.rate_hz, channels=self.channels)


def _bare(data: bytes, media_type: str) -> _Bare | None:
    """None when the bytes shall speak for themselves."""
    name, *parameters = (part.strip().lower() for part in media_type.split(";"))
    if name not in BARE_PCM:
        return None
    given = dict(parameter.split("=", 1) for parameter in parameters if "=" in parameter)
    rate_hz = int(given.get("rate", SPEECH_RATE_HZ))
    return _Bare(data, rate_hz=rate_hz, channels=int(given.get("channels", 1)))


class _Container:
    """The first audio stream of a file."""

    def __init__(self, data: bytes) -> None:
        self._container: InputContainer = av.open(
            io.BytesIO(data),
            "r",
            metadata_errors="ignore",
            container_options={
                "format_whitelist": CONTAINERS,
                "codec_whitelist": ",".join(sorted(CODECS)),
                "protocol_whitelist": "",
            },
        )
        if not self._container.streams.audio:
            raise BadAudio
        self._stream = self._container.streams.audio[0]
        context = self._stream.codec_context
        if context is None or context.codec.name not in CODECS:
            raise BadAudio
        context.thread_count = 1
        self.codec = context.codec.canonical_name
        self.rate_hz = context.sample_rate
        self.channels = context.channels
        _check_shape(self.rate_hz, self.channels)

    def frames(self) -> Iterator[av.AudioFrame]:
        """Raises BadAudio when too much of it cannot be read."""
        packets = bad = 0
        for packet in self._container.demux(self._stream):
            packets += 1
            try:
                yield from packet.decode()
            except av.InvalidDataError:
                bad += 1
        if bad > max(BAD_PACKETS_ALLOWED, packets * BAD_PACKETS_SHARE_MAX):
            raise BadAudio


class _Collector:
    """Makes frames of any shape mono PCM at our rate, and stops where it has to."""

    def __init__(self, *, max_s: float, trim_s: float | None) -> None:
        self._left_s = max_s
        self._bytes_max = _bytes(max_s if trim_s is None else min(trim_s, max_s))
        self._pcm = bytearray()
        self._shape: tuple[str, str, int] | None = None
        self._resampler: av.AudioResampler | None = None

    def add(self, frame: av.AudioFrame) -> None:
        """Raises AudioTooLong before anything that is too much is resampled."""
        _check_shape(frame.sample_rate, len(frame.layout.channels))
        self._left_s -= frame.samples / frame.sample_rate
        if self._left_s < -ROUNDING_S:
            raise AudioTooLong
        if len(self._pcm) >= self._bytes_max:
            return
        frame.pts = None  # gaps are not filled: what is not there is not heard
        self._keep(self._resampler_for(frame).resample(frame))

    def finish(self) -> bytes:
        if self._resampler is not None:
            self._keep(self._resampler.resample(None))
        return bytes(self._pcm[: self._bytes_max])

    def _resampler_for(self, frame: av.AudioFrame) -> av.AudioResampler:
        """Another one when the shape changes, as it may in the middle of an Ogg file."""
        shape = (frame.format.name, frame.layout.name, frame.sample_rate)
        if self._resampler is None or shape != self._shape:
            if self._resampler is not None:
                self._keep(self._resampler.resample(None))
            self._resampler = av.AudioResampler(format="s16", layout="mono", rate=SPEECH_RATE_HZ)
            self._shape = shape
        return self._resampler

    def _keep(self, frames: list[av.AudioFrame]) -> None:
        for frame in frames:
            self._pcm += memoryview(frame.planes[0])[: frame.samples * 2]


def _check_shape(rate_hz: int, channels: int) -> None:
    if not (RATE_HZ_MIN <= rate_hz <= RATE_HZ_MAX and 1 <= channels <= CHANNELS_MAX):
        raise BadAudio


def _bytes(seconds: float) -> int:
    return round(seconds * SPEECH_RATE_HZ) * 2


def _facts(source: Any, pcm: bytes) -> AudioFacts:
    return AudioFacts(
        codec=source.codec,
        sample_rate_hz=source.rate_hz,
        channels=source.channels,
        duration_ms=measuring.duration_ms(pcm),
        peak_dbfs=round(measuring.peak_dbfs(pcm), 2),
        loudness_lufs=round(measuring.loudness_lufs(pcm), 2),
        voiced_ms=measuring.voiced_ms(pcm),
    )
