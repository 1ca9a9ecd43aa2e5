"""
What the agent says, as text: to the voice (which cuts it where it is cut) and to the caller's page.

The model may begin to speak before the caller is there. The framework would drop those words, so
they wait here until its text stream has a reader.
"""

import asyncio

from livekit.agents.voice import io

from agent.voice_output import VoiceOutput


class Captions(io.TextOutput):
    def __init__(self, voice: VoiceOutput) -> None:
        super().__init__(label="captions", next_in_chain=None)
        self._voice = voice
        self._page: asyncio.Future[io.TextOutput] = asyncio.get_running_loop().create_future()
        self._is_new_turn = True

    def attach(self, page: io.TextOutput) -> None:
        """The caller reads along from now on."""
        if not self._page.done():
            self._page.set_result(page)

    async def capture_text(self, text: str) -> None:
        if self._is_new_turn:
            self._voice.begin_text()
            self._is_new_turn = False
        self._voice.note_text(str(text))
        page = await asyncio.shield(self._page)
        await page.capture_text(text)

    def flush(self) -> None:
        self._is_new_turn = True
        if self._page.done():
            self._page.result().flush()
