"""What an answer must look like to count as audio. Whether it plays is found out later."""

from typing import Final

from control_plane.tts.port import NoAudio

# Stores of files that know no better say the latter two of everything.
AUDIO_TYPES: Final = ("audio/", "application/octet-stream", "binary/octet-stream")


def require_audio_type(media_type: str) -> None:
    """Raises NoAudio, for instance for an error or a web page that came with status 200."""
    if not media_type.lower().startswith(AUDIO_TYPES):
        raise NoAudio


def require_bytes(audio: bytes) -> bytes:
    """The same bytes. Raises NoAudio when there are none."""
    if not audio:
        raise NoAudio
    return audio
