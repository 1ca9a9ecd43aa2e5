"""The workshop for audio: checks what goes in, lets workers do it, and reads what they say."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

from control_plane.audio.limits import WorkerLimits
from control_plane.audio.port import AudioFacts, AudioFormat, AudioTooLong, BadAudio, Recording
from control_plane.audio.settings import AudioSettings
from control_plane.audio.wav import wav_header
from control_plane.audio.wire import Header
from control_plane.audio.worker_pool import RETRY_AFTER_S, WorkerPool
from control_plane.audio.worker_process import WorkerLost
from shared.errors import Unavailable
from shared.log import get_logger

log = get_logger(__name__)

INPUT_BYTES_MAX: Final = 64 * 1024 * 1024  # half an hour of WAV at 16 kHz
DECODED_S_MAX: Final = 1_800.0  # whatever a caller allows: 86 MB of PCM
PCM_BYTES_MAX: Final = int(DECODED_S_MAX) * 48_000


class AudioTooLarge(BadAudio):
    """This recording has too many bytes"""

    code = "audio_too_large"


class ProcessWorkshop:
    """A Workshop (see `port.py`) whose hands are processes of their own."""

    def __init__(self, pool: WorkerPool) -> None:
        self.pool = pool

    async def decode(
        self, data: bytes, *, media_type: str, max_s: float, trim_s: float | None = None
    ) -> Recording:
        """
        What is longer than `max_s` is refused; of the rest the first `trim_s` are returned.

        Facts are those of what is returned. Bare PCM is little endian, whatever RFC 2586 says of
        audio/L16: so do all speech providers send it.
        """
        if len(data) > INPUT_BYTES_MAX:
            raise AudioTooLarge
        if not data:
            raise BadAudio
        task = {
            "do": "decode",
            "media_type": media_type[:200],
            "max_s": min(max_s, DECODED_S_MAX),
            "trim_s": trim_s,
        }
        try:
            answer, pcm = await self._done(task, data)
        except WorkerLost as lost:
            if lost.is_own_fault:
                raise BadAudio from None
            raise Unavailable(retry_after_s=RETRY_AFTER_S) from None
        return Recording(pcm=pcm, facts=_facts(answer["facts"]))

    async def encode(self, pcm: bytes, audio_format: AudioFormat) -> bytes:
        """Raises AudioTooLarge beyond half an hour."""
        if audio_format is AudioFormat.PCM:
            return pcm
        if audio_format is AudioFormat.WAV:
            return wav_header(len(pcm)) + pcm
        return await self._made({"do": "encode", "format": str(audio_format)}, pcm)

    async def join(self, pieces: Sequence[bytes]) -> bytes:
        """Raises AudioTooLarge beyond half an hour."""
        return await self._made(
            {"do": "join", "lengths": [len(piece) for piece in pieces]}, b"".join(pieces)
        )

    async def _made(self, task: Header, pcm: bytes) -> bytes:
        """Work on our own PCM: when it fails, nobody's recording is to blame."""
        if len(pcm) > PCM_BYTES_MAX:
            raise AudioTooLarge
        try:
            _, made = await self._done(task, pcm)
        except WorkerLost:
            raise Unavailable(retry_after_s=RETRY_AFTER_S) from None
        return made

    async def _done(self, task: Header, payload: bytes) -> tuple[Header, bytes]:
        answer, made = await self.pool.run(task, payload)
        if "refused" in answer:
            raise AudioTooLong if answer["refused"] == AudioTooLong.code else BadAudio
        if "failed" in answer:
            log.error("audio_task_failed", kind=task["do"], error=str(answer["failed"])[:50])
            raise Unavailable(retry_after_s=RETRY_AFTER_S)
        return answer, made


def _facts(told: dict[str, Any]) -> AudioFacts:
    return AudioFacts(
        codec=str(told["codec"])[:50],
        sample_rate_hz=int(told["sample_rate_hz"]),
        channels=int(told["channels"]),
        duration_ms=int(told["duration_ms"]),
        peak_dbfs=float(told["peak_dbfs"]),
        loudness_lufs=float(told["loudness_lufs"]),
        voiced_ms=int(told["voiced_ms"]),
    )


@asynccontextmanager
async def open_workshop(
    settings: AudioSettings, *, limits: WorkerLimits | None = None
) -> AsyncIterator[ProcessWorkshop]:
    """The workshop; its first worker starts with the first task."""
    pool = WorkerPool(
        size=settings.audio_workers,
        queue_max=settings.audio_queue_max,
        limits=limits or WorkerLimits(memory_mb=settings.audio_memory_mb),
    )
    try:
        yield ProcessWorkshop(pool)
    finally:
        await pool.close()
