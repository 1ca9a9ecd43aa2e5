"""Recognition for the event loop: one decoder in one worker thread."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

from local.voice.consent_recognition import ConsentRecognizer
from local.voice.persona import PHRASES
from local.voice.recognition import Recognizer


class Ears:
    """Hears which of its phrases was said."""

    def __init__(self, phrases: tuple[str, ...] = PHRASES) -> None:
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="pocketsphinx")
        self._recognizer = Recognizer(phrases)
        self._consents: ConsentRecognizer | None = None  # loaded when it is first needed

    async def words_of(self, pcm: bytes, *, rate_hz: int) -> str:
        """The phrase in PCM16 mono, or "" for none."""

        def work() -> str:
            return self._recognizer.words_of(pcm, rate_hz=rate_hz)

        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    async def consent_in(self, pcm: bytes, *, rate_hz: int) -> str:
        """The phrase of a consent in PCM16 mono, or "" for none."""

        def work() -> str:
            self._consents = self._consents or ConsentRecognizer()
            return self._consents.words_of(pcm, rate_hz=rate_hz)

        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    def close(self) -> None:
        self._thread.shutdown(wait=True, cancel_futures=True)
