"""Sound as the realtime protocol speaks it: PCM of 16 bit, mono. WebRTC resamples it itself."""

from collections.abc import Iterator

from livekit import rtc

RATE_HZ = 24_000
SAMPLE_BYTES = 2
BYTES_PER_S = RATE_HZ * SAMPLE_BYTES


def frame_of(pcm: bytes) -> rtc.AudioFrame:
    """All of it as one frame."""
    return rtc.AudioFrame(pcm, RATE_HZ, 1, len(pcm) // SAMPLE_BYTES)


def frames_of(pcm: bytes, *, frame_bytes: int) -> Iterator[rtc.AudioFrame]:
    """In pieces of whole samples; the last one may be shorter."""
    for start in range(0, len(pcm), frame_bytes):
        yield frame_of(pcm[start : start + frame_bytes])
