"""The caller's audio that is not committed to the conversation yet. Bounded in both modes."""

from local.voice.speech import BYTES_PER_MS
from local.voice.turn_taking import TURN_MS_MAX

# Without server VAD a client may send silence for hours before it commits; the newest part counts.
KEPT_MS_MAX = TURN_MS_MAX + 5_000


class InputAudio:
    """PCM16 at 24 kHz with the time at which it was heard."""

    def __init__(self) -> None:
        self._pcm = bytearray()
        self._heard_bytes = 0

    @property
    def heard_ms(self) -> int:
        """All audio of the session so far."""
        return self._heard_bytes // BYTES_PER_MS

    @property
    def kept_ms(self) -> int:
        return len(self._pcm) // BYTES_PER_MS

    def append(self, pcm: bytes) -> None:
        self._pcm += pcm
        self._heard_bytes += len(pcm)
        self.forget_before(self.heard_ms - KEPT_MS_MAX)

    def forget_before(self, moment_ms: int) -> None:
        """Drop audio heard before this moment of the session."""
        kept_bytes = max(0, self._heard_bytes - moment_ms * BYTES_PER_MS)
        if len(self._pcm) > kept_bytes:
            del self._pcm[: len(self._pcm) - kept_bytes]

    def take(self) -> bytes:
        """All that is kept, which is forgotten here."""
        pcm = bytes(self._pcm)
        self._pcm.clear()
        return pcm
