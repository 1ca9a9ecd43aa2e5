"""
How long an Ogg/Opus stream is, read from its pages without decoding anything.

RFC 3533: a page begins with "OggS", its granule position is at byte 6; RFC 7845: for Opus that
counts samples of 48 kHz, of which the first `pre-skip` are not to be played. A file that was cut
off by a crash ends after some page, and is as long as that page says.
"""

import struct
from typing import Final

from shared.errors import Invalid

_CAPTURE: Final = b"OggS"
_HEAD: Final = b"OpusHead"
_RATE_HZ: Final = 48_000
_HEADER_BYTES: Final = 27  # of a page, before its segment table
_HEAD_BYTES_MAX: Final = 512  # the first page is as small as that
_NO_POSITION: Final = -1  # of a page in which no packet ends


class NotARecording(Invalid):
    """This is no Ogg/Opus recording"""

    code = "not_a_recording"


def duration_ms(data: bytes) -> int:
    """Of a whole file in milliseconds, at least 1. Raises NotARecording."""
    head = data.find(_HEAD, 0, _HEAD_BYTES_MAX)
    if not data.startswith(_CAPTURE) or head < 0 or len(data) < head + 12:
        raise NotARecording
    pre_skip: int = struct.unpack_from("<H", data, head + 10)[0]
    played_ms = (_last_position(data) - pre_skip) * 1_000 // _RATE_HZ
    if played_ms <= 0:
        raise NotARecording(details="there is no sound in it")
    return played_ms


def _last_position(data: bytes) -> int:
    """The granule position of the last page that has one; audio may hold the four letters too."""
    at = len(data)
    while (at := data.rfind(_CAPTURE, 0, at)) >= 0:
        if at + _HEADER_BYTES <= len(data) and data[at + 4] == 0:
            position: int = struct.unpack_from("<q", data, at + 6)[0]
            if position > _NO_POSITION:
                return position
    return 0
