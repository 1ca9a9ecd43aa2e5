"""Recognition for the event loop: one decoder in one worker thread."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

from local.voice.persona import PHRASES
from local.voice.recognition import Recognizer


class Ears:
    """Hears which phrase was said."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="pocketsphinx")
        self._recognizer = Recognizer(PHRASES)

    async def words_of(self, pcm: bytes, *, rate_hz: int) -> str:
        """The phrase in PCM16 mono, or "" for none."""

        def work() -> str:
            return self._recognizer.words_of(pcm, rate_hz=rate_hz)

        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    def close(self) -> None:
        self._thread.shutdown(wait=True, cancel_futures=True)
