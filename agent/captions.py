"""
What the agent says, as text: to the voice (which cuts it where it is cut) and to the caller's page.

The model may begin to speak before the caller is there. The framework would drop those words, so
they wait here until its text stream has a reader.
"""

import asyncio
from collections.abc import Callable

from livekit.agents.voice import io

from agent.prompt_guard import PromptGuard
from agent.voice_output import VoiceOutput


class Captions(io.TextOutput):
    """`guard` keeps back what a secret prompt says; `on_leak` is told when it had to."""

    def __init__(
        self,
        voice: VoiceOutput,
        *,
        guard: PromptGuard | None = None,
        on_leak: Callable[[], None] = lambda: None,
    ) -> None:
        super().__init__(label="captions", next_in_chain=None)
        self._voice = voice
        self._guard = guard
        self._on_leak = on_leak
        self._page: asyncio.Future[io.TextOutput] = asyncio.get_running_loop().create_future()
        self._is_new_turn = True
        self._ending: set[asyncio.Task[None]] = set()

    def attach(self, page: io.TextOutput) -> None:
        """The caller reads along from now on."""
        if not self._page.done():
            self._page.set_result(page)

    async def capture_text(self, text: str) -> None:
        if self._is_new_turn:
            self._voice.begin_text()
            self._is_new_turn = False
        words = self._guarded(str(text))
        self._voice.note_text(words)
        page = await asyncio.shield(self._page)
        if words:
            await page.capture_text(words)

    def _guarded(self, words: str) -> str:
        if self._guard is None or self._guard.has_leaked:
            return "" if self._guard else words
        released = self._guard.feed(words)
        if self._guard.has_leaked:
            self._on_leak()
        return released

    def flush(self) -> None:
        self._is_new_turn = True
        if self._page.done():
            self._flush_to(self._page.result())

    def _flush_to(self, page: io.TextOutput) -> None:
        held = self._guard.flush() if self._guard else ""
        if not held:
            page.flush()
            return
        self._voice.note_text(held)
        task = asyncio.get_running_loop().create_task(_end_with(page, held))
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)


async def _end_with(page: io.TextOutput, words: str) -> None:
    await page.capture_text(words)
    page.flush()
