"""The caller of every contender: joins, speaks now and then, notes the first sound."""

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from livekit import rtc

from local.ear import Ear
from local.hearing import Hearing
from local.microphone import Microphone, spoken
from shared.clock import SystemClock

WORDS = ("hello there",)
SILENCE_S = 6.0  # the agent answers meanwhile
_CLOCK = SystemClock()


@dataclass(frozen=True, slots=True)
class Ticket:
    """What lets a caller into a room."""

    url: str
    token: str


async def hold_call(
    click: Callable[[], Awaitable[Ticket]], stop: asyncio.Event, *, words: Sequence[str] = WORDS
) -> float | None:
    """
    Stay until `stop`, saying these words in turn.

    Seconds from the click to the agent's first sound; None: never heard.
    """
    clicked_s = _CLOCK.monotonic()
    ticket = await click()
    hearing = Hearing()
    ear = Ear(hearing, clock=_CLOCK)
    room = rtc.Room()
    room.on("track_subscribed", lambda track, *_: ear.listen(track))
    microphone = Microphone()
    await room.connect(ticket.url, ticket.token)
    try:
        await microphone.publish(room)
        talking = asyncio.create_task(_talk(microphone, words))
        await stop.wait()
        talking.cancel()
        await asyncio.gather(talking, return_exceptions=True)
    finally:
        await room.disconnect()
        await ear.close()
        await microphone.close()
    return None if hearing.first_s is None else hearing.first_s - clicked_s


async def _talk(microphone: Microphone, words: Sequence[str]) -> None:
    for phrase in itertools.cycle(words):
        await asyncio.sleep(SILENCE_S)
        await microphone.say(spoken(phrase))
