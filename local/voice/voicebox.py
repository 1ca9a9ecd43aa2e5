"""Speech for the event loop: synthesis in one worker thread, spoken sentences remembered."""

import asyncio
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from local.voice.languages import ENGLISH
from local.voice.speech import BYTES_PER_MS, synthesize
from local.voice.stats import Stats

CACHE_BYTES_MAX = 32 * 2**20  # eleven minutes of speech: all the persona says, in a few voices
PAUSE_MS = 160  # after a sentence; espeak leaves none
PAUSE = bytes(PAUSE_MS * BYTES_PER_MS)


@dataclass(frozen=True, slots=True)
class Manner:
    """How something is said."""

    voice: str
    language: str = ENGLISH
    speed: float = 1.0
    pitch: int | None = None  # 0 to 99; None for the voice's own


class Voicebox:
    """Says sentences. One thread: the espeak library speaks one at a time anyway."""

    def __init__(self, stats: Stats) -> None:
        self._stats = stats
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="espeak")
        self._cache: OrderedDict[tuple[str, Manner], bytes] = OrderedDict()
        self._cached_bytes = 0

    async def say(self, sentence: str, manner: Manner) -> bytes:
        """PCM16 mono at 24 kHz with a pause after it."""
        key = (sentence, manner)
        self._stats.last_voice = manner.voice
        if key in self._cache:
            self._cache.move_to_end(key)
            self._stats.sentences_from_cache += 1
            return self._cache[key]
        loop = asyncio.get_running_loop()
        pcm = await loop.run_in_executor(self._thread, _say, sentence, manner)
        self._stats.sentences_synthesized += 1
        self._remember(key, pcm)
        return pcm

    def close(self) -> None:
        self._thread.shutdown(wait=True, cancel_futures=True)

    def _remember(self, key: tuple[str, Manner], pcm: bytes) -> None:
        self._cached_bytes += len(pcm) - len(self._cache.pop(key, b""))
        self._cache[key] = pcm
        while self._cached_bytes > CACHE_BYTES_MAX:
            _, forgotten = self._cache.popitem(last=False)
            self._cached_bytes -= len(forgotten)


def _say(sentence: str, manner: Manner) -> bytes:
    speech = synthesize(
        sentence,
        manner.voice,
        language=manner.language,
        speed=manner.speed,
        pitch=manner.pitch,
    )
    return speech.pcm + PAUSE
