"""
Puts spoken pieces together into one recording, some minutes at a time, whatever its length.

The workshop joins what lies within a group; groups follow each other with the same breath between.
"""

import asyncio
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from control_plane.audio.joining import PAUSE_SAMPLES
from control_plane.audio.port import SPEECH_RATE_HZ, AudioFacts, AudioFormat, Workshop
from control_plane.audio.stream_encoder import StreamEncoder
from control_plane.audio.wav import SAMPLE_BYTES, wav_header
from control_plane.objects.port import ObjectStore
from control_plane.store.speech_jobs import Part

GROUP_MS_MAX: Final = 300_000  # 14 MB of PCM; the workshop needs five times that
PAUSE: Final = bytes(PAUSE_SAMPLES * SAMPLE_BYTES)
PCM_TYPE: Final = f"audio/L16;rate={SPEECH_RATE_HZ}"
GROUP_S_MAX: Final = 2 * GROUP_MS_MAX / 1_000  # one piece alone may be longer than a group
SILENCE_LUFS: Final = -70.0


@dataclass(frozen=True, slots=True)
class Assembled:
    """A whole recording in the wanted format, and what was measured on it."""

    data: bytes
    facts: AudioFacts


async def assembled(
    parts: Sequence[Part], audio_format: AudioFormat, *, workshop: Workshop, objects: ObjectStore
) -> Assembled:
    """Raises ObjectGone, StorageAway, BadAudio, Unavailable."""
    assert parts, "a job has something to say"
    bare = audio_format in {AudioFormat.WAV, AudioFormat.PCM}
    encoder = StreamEncoder(AudioFormat.PCM if bare else audio_format)
    data = bytearray()
    measured: list[AudioFacts] = []
    for group in groups(parts):
        pieces = [await objects.read(part.object_key or "") for part in group]
        joined = await workshop.join(pieces)
        recording = await workshop.decode(joined, media_type=PCM_TYPE, max_s=GROUP_S_MAX)
        pause = PAUSE if measured else b""
        data += await asyncio.to_thread(encoder.feed, pause + recording.pcm)
        measured.append(recording.facts)
    data += encoder.finish()
    if audio_format is AudioFormat.WAV:
        data[:0] = wav_header(len(data))
    return Assembled(bytes(data), replace(_together(measured), codec=str(audio_format)))


def groups(parts: Sequence[Part]) -> Iterator[list[Part]]:
    """Consecutive parts of at most GROUP_MS_MAX; a longer one is alone."""
    group: list[Part] = []
    length_ms = 0
    for part in parts:
        part_ms = part.duration_ms or 0
        if group and length_ms + part_ms > GROUP_MS_MAX:
            yield group
            group, length_ms = [], 0
        group.append(part)
        length_ms += part_ms
    yield group


def _together(measured: Sequence[AudioFacts]) -> AudioFacts:
    """Of recordings one after another. Loudness is that of their mean energy, without gating."""
    pauses_ms = (len(measured) - 1) * PAUSE_SAMPLES * 1_000 // SPEECH_RATE_HZ
    duration_ms = sum(facts.duration_ms for facts in measured)
    energy = sum(facts.duration_ms * 10 ** (facts.loudness_lufs / 10) for facts in measured)
    loudness = 10 * math.log10(energy / duration_ms) if energy and duration_ms else SILENCE_LUFS
    return AudioFacts(
        codec="",
        sample_rate_hz=SPEECH_RATE_HZ,
        channels=1,
        duration_ms=duration_ms + pauses_ms,
        peak_dbfs=max(facts.peak_dbfs for facts in measured),
        loudness_lufs=max(loudness, SILENCE_LUFS),
        voiced_ms=sum(facts.voiced_ms for facts in measured),
    )
