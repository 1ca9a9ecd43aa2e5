"""
Tells in one sentence that the model is away, while it is: on the page, and aloud.

The sentence is made when the call begins, for there may be no network at the bad moment; without
a speech endpoint the page alone tells. It is the service that speaks, so nobody pays for it and no
transcript has it: the clock stands until the sentence is over, also when the model comes back in
the middle of it.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from agent.absence import absence_in
from agent.page import Page
from agent.sentences import CannotSpeak, Sentences
from agent.voice_output import VoiceOutput
from shared.call_protocol import Notice
from shared.log import get_logger

log = get_logger(__name__)

TRIES_MAX = 3
TRY_AGAIN_S = 20.0


@dataclass(slots=True)
class AwayVoice:
    """`on_back`: the model can be heard again, nothing of ours is in its way."""

    sentences: Sentences
    voice: VoiceOutput
    page: Page
    language: str
    on_away: Callable[[], None]
    on_back: Callable[[], None]
    _pcm: bytes = b""
    _is_away: bool = False

    async def prepare(self) -> None:
        """Have the sentence ready."""
        words = absence_in(self.language).away
        for _ in range(TRIES_MAX):
            try:
                self._pcm = await self.sentences.pcm(words, self.language)
            except CannotSpeak as problem:
                log.info("away_words_unmade", error=str(problem))
            else:
                return
            await asyncio.sleep(TRY_AGAIN_S)

    def away(self) -> None:
        self._is_away = True
        self.on_away()

    def late(self) -> None:
        """The caller has waited long enough to be told; as soon as the voice has run dry."""
        words = absence_in(self.language).away
        self.page.notify(Notice(kind="provider_away", message=words))
        self.page.toast(words, variant="warning")
        if self._pcm and self._is_away:
            self.voice.interject(self._pcm, self._on_said)

    def back(self) -> None:
        self._is_away = False
        if not self.voice.drop_interjection():
            self.on_back()

    def _on_said(self) -> None:
        if not self._is_away:
            self.on_back()
