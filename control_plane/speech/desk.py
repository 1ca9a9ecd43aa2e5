"""Fulfils orders: from the cache, by joining work that is under way, or by a provider."""

from collections.abc import AsyncIterator
from typing import Protocol

from control_plane.speech.order import SpeechOrder, Spoken


class Desk(Protocol):
    """
    Raises what providers raise (`tts/port.py`), CannotAfford, NotPriced, KeyReused, StorageAway.

    Whatever is raised, nothing was debited. Cancelling it releases the hold.
    """

    async def fulfil(self, order: SpeechOrder, *, idempotency_key: str | None = None) -> Spoken:
        """
        The audio is stored and paid for when this returns.

        The same key with the same order gives the first answer; with another one KeyReused.
        """
        ...

    def stream(self, order: SpeechOrder) -> AsyncIterator[bytes | Spoken]:
        """PCM as it comes, then one `Spoken`; only what was delivered in full is paid for."""
        ...
