"""
The caller's audio that the provider may not have understood yet.

When a session is lost, the new one gets it first: a question asked while the line to the provider
broke is answered, not asked again. Pure.
"""

from collections import deque
from dataclasses import dataclass, field

IDLE_CHUNKS = 10  # 1 s: speech is noticed a little after it began
CHUNKS_MAX = 600  # one minute, 4 MB; who speaks longer repeats the beginning anyway


@dataclass(slots=True)
class UnheardAudio:
    """Chunks are the messages that carried them, 100 ms each."""

    _chunks: deque[str] = field(default_factory=deque)
    _in_turn: bool = False
    _since_turn: int = 0  # chunks that came after the end of the last turn
    _since_sign: int = 0  # ... after the provider was last heard of

    def add(self, chunk: str) -> None:
        self._chunks.append(chunk)
        self._since_turn += 1
        self._since_sign += 1
        self._trim()

    def sign_of_life(self) -> None:
        """Had it heard somebody begin to speak, it would have said so by now."""
        self._since_sign = 0

    def turn_began(self) -> None:
        self._in_turn = True

    def turn_ended(self) -> None:
        """The provider heard the caller stop; what follows belongs to the next turn."""
        self._since_turn = 0

    def turn_known(self) -> None:
        """Its words are known; nobody needs its sound again."""
        self._in_turn = False
        self._trim()

    def chunks(self) -> tuple[str, ...]:
        return tuple(self._chunks)

    def _trim(self) -> None:
        kept = min(IDLE_CHUNKS + self._since_sign, self._since_turn)
        while len(self._chunks) > (CHUNKS_MAX if self._in_turn else min(kept, CHUNKS_MAX)):
            self._chunks.popleft()
