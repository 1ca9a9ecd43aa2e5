"""Addresses of stored audio for those who may have it."""

from typing import Final

from control_plane.audio.port import AudioFormat
from control_plane.objects.port import ObjectStore

LINK_S: Final = 24 * 3_600  # long enough for a page left open overnight; the history gives new ones


async def link_to(objects: ObjectStore, object_key: str, audio_format: AudioFormat) -> str:
    """An address that anybody can fetch the audio from for `LINK_S` seconds."""
    return await objects.link(object_key, expires_in_s=LINK_S, media_type=audio_format.media_type)
