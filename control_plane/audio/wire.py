"""
What goes through the pipe between the server and an audio worker, both ways:

    4 bytes length of the header, 4 bytes length of the payload, header (JSON), payload (bytes)

JSON and not pickle: a worker holds foreign bytes, and what took it over must not reach the server.
"""

import json
import struct
from typing import Any, BinaryIO, Final

HEADER_BYTES_MAX: Final = 64 * 1024
PAYLOAD_BYTES_MAX: Final = 256 * 1024 * 1024  # 90 minutes of PCM
LENGTHS: Final = struct.Struct(">II")

Header = dict[str, Any]


class BrokenMessage(Exception):
    """What came is no message of ours."""


def preamble(header: Header, payload_bytes: int) -> bytes:
    """All that goes before the payload."""
    text = json.dumps(header).encode()
    return LENGTHS.pack(len(text), payload_bytes) + text


def lengths_in(data: bytes) -> tuple[int, int]:
    """Of header and payload, in bytes. Raises BrokenMessage when they are beyond all measure."""
    header_bytes, payload_bytes = LENGTHS.unpack(data)
    if header_bytes > HEADER_BYTES_MAX or payload_bytes > PAYLOAD_BYTES_MAX:
        raise BrokenMessage
    return header_bytes, payload_bytes


def header_in(data: bytes) -> Header:
    """Raises BrokenMessage."""
    try:
        header = json.loads(data)
    except ValueError:
        raise BrokenMessage from None
    if not isinstance(header, dict):
        raise BrokenMessage
    return header


def receive(stream: BinaryIO) -> tuple[Header, bytes] | None:
    """The next message, None after the last one. For the worker, which has nothing else to do."""
    first = stream.read(LENGTHS.size)
    if len(first) < LENGTHS.size:
        return None
    header_bytes, payload_bytes = lengths_in(first)
    header = stream.read(header_bytes)
    payload = stream.read(payload_bytes)
    if len(payload) < payload_bytes:
        return None  # the server went away in the middle
    return header_in(header), payload


def send(stream: BinaryIO, header: Header, payload: bytes) -> None:
    stream.write(preamble(header, len(payload)))
    stream.write(payload)
    stream.flush()
