"""A sentence that the model reads out, and that can be cut short."""

import asyncio
from typing import Final

from livekit.agents.voice import SpeechHandle
from livekit.agents.voice.io import AudioOutput

BEGIN_MAX_S: Final = 5.0
SILENT_MAX_S: Final = 2.0


class ReadOut:
    """`speech` as it is played by `voice`."""

    def __init__(self, speech: SpeechHandle, voice: AudioOutput) -> None:
        self.speech = speech
        self._has_begun = asyncio.Event()
        voice.once("playback_started", lambda _: self._has_begun.set())
        speech.add_done_callback(lambda _: self._has_begun.set())

    async def cut_short(self) -> None:
        """
        Returns when it is over, which it may be already.

        What has not begun yet is waited for: an answer that is cancelled before its first sound
        comes all the same, in the place of the next one, which is then lost with it.
        """
        try:
            async with asyncio.timeout(BEGIN_MAX_S):
                await self._has_begun.wait()
        except TimeoutError:
            pass  # it will not begin any more
        self.speech.interrupt(force=True)
        try:
            async with asyncio.timeout(SILENT_MAX_S):
                await self.speech.wait_for_playout()
        except TimeoutError:
            return
