"""Where both voices pass by: what the session hears, and what is really played to the caller."""

from collections.abc import Callable
from typing import Protocol

from livekit import rtc
from livekit.agents.voice import io


class Overhears(Protocol):
    """Mono PCM of 16 bit at the voice's sample rate. Must return at once and raise nothing."""

    def heard(self, pcm: bytes) -> None: ...

    def played(self, pcm: bytes, *, in_s: float) -> None:
        """It is to be heard in so many seconds, after what is queued already."""
        ...

    def cut(self) -> None:
        """What is queued is dropped."""
        ...


class OverheardSource(rtc.AudioSource):
    """An audio source that tells what goes through it, as long as somebody wants to know."""

    listener: Overhears | None = None

    async def capture_frame(self, frame: rtc.AudioFrame) -> None:
        if self.listener:
            self.listener.played(frame.data.tobytes(), in_s=self.queued_duration)
        await super().capture_frame(frame)

    def clear_queue(self) -> None:
        if self.listener:
            self.listener.cut()
        super().clear_queue()


class OverheardInput(io.AudioInput):
    """The caller as the session hears them."""

    def __init__(self, source: io.AudioInput, heard: Callable[[bytes], None]) -> None:
        super().__init__(label="overheard", source=source)
        self._heard = heard

    async def __anext__(self) -> rtc.AudioFrame:
        frame = await super().__anext__()
        self._heard(frame.data.tobytes())
        return frame
