"""
The caller's keys, in the order in which they were pressed.

Keys are a secret as often as not: they are handed to who asked and are kept nowhere, and nothing
here logs.
"""

import asyncio

from livekit import rtc

KEYS_MAX = 32  # pressed and not yet asked for; whoever leans on the keypad loses the rest
END = "#"


class Keypad:
    """Of one participant; others in the room press in vain."""

    def __init__(self, room: rtc.Room, identity: str) -> None:
        self._room = room
        self._identity = identity
        self._keys: asyncio.Queue[str] = asyncio.Queue(KEYS_MAX)
        room.on("sip_dtmf_received", self._on_key)

    async def key(self) -> str:
        """The next one, however long it takes."""
        return await self._keys.get()

    async def rest(self, digits: str, *, count: int, quiet_s: float) -> str:
        """`digits` and what follows, until there are `count`, a hash, or `quiet_s` of nothing."""
        while len(digits) < count:
            try:
                key = await asyncio.wait_for(self._keys.get(), quiet_s)
            except TimeoutError:
                break
            if key == END:
                break
            if key.isdigit():  # a star is no part of any number that we ask for
                digits += key
        return digits

    def forget(self) -> None:
        """What was pressed before a question is no answer to it."""
        while not self._keys.empty():
            self._keys.get_nowait()

    def close(self) -> None:
        self._room.off("sip_dtmf_received", self._on_key)
        self.forget()

    def _on_key(self, event: rtc.SipDTMF) -> None:
        if event.participant is None or event.participant.identity != self._identity:
            return
        if not self._keys.full() and event.digit:
            self._keys.put_nowait(event.digit)
