"""The 44 bytes before bare PCM that make it a WAV file."""

import struct
from typing import Final

from control_plane.audio.port import SPEECH_RATE_HZ

SAMPLE_BYTES: Final = 2
UNKNOWN: Final = 0xFFFF_FFFF  # players read to the end of the stream


def wav_header(pcm_bytes: int | None) -> bytes:
    """For mono, 16 bit, at SPEECH_RATE_HZ; None for a stream whose end is not known yet."""
    data, riff = (UNKNOWN, UNKNOWN) if pcm_bytes is None else (pcm_bytes, pcm_bytes + 36)
    form = struct.pack(
        "<HHIIHH", 1, 1, SPEECH_RATE_HZ, SPEECH_RATE_HZ * SAMPLE_BYTES, SAMPLE_BYTES, 16
    )
    return b"".join(
        (
            b"RIFF" + struct.pack("<I", riff) + b"WAVE",
            b"fmt " + struct.pack("<I", len(form)) + form,
            b"data" + struct.pack("<I", data),
        )
    )
