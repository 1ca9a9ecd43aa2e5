"""The recording a voice is cloned from: what may be uploaded, and what becomes of it."""

import hashlib
from typing import Final
from uuid import UUID

from control_plane.audio.port import AudioFormat, AudioTooLong, BadAudio, Workshop
from control_plane.cloning.engines import CloneRules
from control_plane.cloning.errors import CloneRefusal
from control_plane.cloning.upload import FILE_BYTES_MAX, UploadedFile

# Upstream's list, and the names other systems have for the same.
MEDIA_TYPES: Final = frozenset(
    "audio/mpeg audio/mp3 audio/wav audio/x-wav audio/wave audio/ogg audio/m4a audio/x-m4a "
    "audio/mp4 audio/flac audio/x-flac audio/opus audio/x-opus audio/webm video/webm "
    "application/octet-stream".split()
)
WEBM_TYPES: Final = frozenset({"audio/webm", "video/webm"})
WEBM_MAGIC: Final = b"\x1aE\xdf\xa3"
DECODED_S_MAX: Final = 900.0  # 4.5 MiB of MP3 at 40 kbit/s; of it the first 25 s are kept


def check_file(file: UploadedFile) -> None:
    """What can be said without decoding, in upstream's order. Raises CloneRefusal."""
    if file.media_type not in MEDIA_TYPES:
        raise CloneRefusal(
            "errors.invalidFileType",
            "This type of file is not supported; send MP3, OGG, Opus, M4A, FLAC or WAV",
            mimeType=file.media_type[:100],
        )
    if len(file.data) > FILE_BYTES_MAX:
        raise CloneRefusal(
            "errors.fileTooLarge",
            f"The file is larger than {FILE_BYTES_MAX / 2**20} MB",
            status=413,
            MAX_BYTES=FILE_BYTES_MAX,
            MAX_MB=FILE_BYTES_MAX / 2**20,
        )


async def prepare(workshop: Workshop, file: UploadedFile, rules: CloneRules) -> bytes:
    """The recording as WAV, 24 kHz and mono, trimmed for its engine. Raises CloneRefusal."""
    if file.media_type in WEBM_TYPES or file.data.startswith(WEBM_MAGIC):
        raise CloneRefusal(
            "errors.audioConversionRequiredWebm",
            "WebM has to be converted to WAV before it is uploaded; please record again or send "
            "MP3, OGG, Opus, M4A, FLAC or WAV",
            mimeType=file.media_type,
        )
    try:
        decoded = await workshop.decode(
            file.data, media_type=file.media_type, max_s=DECODED_S_MAX, trim_s=rules.trim_s
        )
    except AudioTooLong:
        raise CloneRefusal(
            "errors.audioConversionFailed",
            f"The recording is longer than {DECODED_S_MAX / 60:.0f} minutes",
            mimeType=file.media_type,
        ) from None
    except BadAudio:
        raise CloneRefusal(
            "errors.unsupportedAudioFormat",
            "The file is no audio that can be decoded; send MP3, OGG, Opus, M4A, FLAC or WAV",
            mimeType=file.media_type,
        ) from None
    if not decoded.facts.duration_ms:
        raise CloneRefusal("errors.audioDurationUnknown", "The length of the audio is not known")
    if decoded.facts.duration_ms < 1000 * rules.min_s or not decoded.facts.voiced_ms:
        raise CloneRefusal(
            rules.too_short_code,
            f"The recording must be at least {rules.min_s:g} seconds long, and not silent",
            MIN=rules.min_s,
        )
    return await workshop.encode(decoded.pcm, AudioFormat.WAV)


def object_key_of(voice_id: UUID, wav: bytes) -> str:
    """
    Where the recording lies: named by its content and its voice, never by what a client sent.

    The voice is in it so that two voices of one recording do not lose it together.
    """
    digest = hashlib.sha256(voice_id.bytes + wav).hexdigest()
    return f"references/{digest[:2]}/{digest}.wav"
