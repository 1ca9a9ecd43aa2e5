"""
The service's own sentences as sound, made by the speech endpoint that is configured anyway.

For moments without a model that could say them: before a call, and while its model is away. Once a
process and sentence: a model that improvises prices, or bills for strangers who ring, would be the
wrong voice.
"""

import threading
from collections import OrderedDict
from dataclasses import dataclass, field

import httpx2

from agent.settings import AgentSettings
from agent.sound import BYTES_PER_S, SAMPLE_BYTES

KEPT_BYTES_MAX = 48 * 2**20  # of a process; a sentence has 0.3 MB, a language 20 of them
MAKING_MAX_S = 15.0
VOICE = "alloy"  # a name that servers of this protocol know
SPEECH_BYTES_MAX = 60 * BYTES_PER_S


class CannotSpeak(Exception):
    """No speech endpoint is configured, or it made nothing."""


@dataclass(slots=True)
class Sentences:
    """
    As `agent.sound` has it, by language and words; shared by the calls of a process, which are
    threads.
    """

    settings: AgentSettings
    _made: OrderedDict[tuple[str, str], bytes] = field(default_factory=OrderedDict)
    _bytes: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    async def pcm(self, words: str, language: str) -> bytes:
        """Raises CannotSpeak."""
        key = (language, words)
        with self._lock:
            if key in self._made:
                self._made.move_to_end(key)
                return self._made[key]
        made = await self._make(words)
        with self._lock:
            self._keep(key, made)
        return made

    def _keep(self, key: tuple[str, str], pcm: bytes) -> None:
        """What was said longest ago goes first: names of characters are many, the menu is one."""
        if key in self._made:
            return  # two calls asked for it at once
        self._made[key] = pcm
        self._bytes += len(pcm)
        while self._bytes > KEPT_BYTES_MAX:
            _, dropped = self._made.popitem(last=False)
            self._bytes -= len(dropped)

    async def _make(self, words: str) -> bytes:
        server = self.settings.pipeline_speech
        if server is None:
            raise CannotSpeak("no speech server is set")
        body = {
            "model": server.model,
            "voice": VOICE,
            "input": words,
            "response_format": "pcm",
        }
        try:
            async with httpx2.AsyncClient(timeout=MAKING_MAX_S, trust_env=False) as http:
                answer = await http.post(
                    f"{server.base_url}/audio/speech",
                    json=body,
                    headers={"Authorization": f"Bearer {server.key}"},
                )
        except httpx2.HTTPError as problem:
            raise CannotSpeak(type(problem).__name__) from None
        pcm = answer.content
        if not answer.is_success or not 0 < len(pcm) <= SPEECH_BYTES_MAX:
            raise CannotSpeak(f"status {answer.status_code}")
        return pcm[: len(pcm) // SAMPLE_BYTES * SAMPLE_BYTES]
