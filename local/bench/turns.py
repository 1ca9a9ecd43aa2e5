"""
Voice to voice: from the end of the caller's speech to the first sample of the answer.

Ours and a plain LiveKit worker hold a call each, on the same media server and the same voice, which
thinks for no time. They are asked in turn, never at the same moment, and each pair changes the
order. Both numbers hold the provider's pause of half a second, the network and the recogniser, so
their difference is our share.
"""

import asyncio
import statistics
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

from livekit import rtc

from local.bench.density import Contender, anchor_and_ours
from local.ear import Ear
from local.hearing import Hearing
from local.microphone import Microphone, spoken
from local.stack import Stack
from shared.call_protocol import TRACK_DISCLOSURE
from shared.clock import SystemClock

WORDS = "can you hear me"
PAIRS = 60
PAIRS_A_CALL = 20  # under the five minutes that who never paid may talk
WARM_UP_PAIRS = 2  # the first answer of a process is synthesized, the first sentence paged in
SHARE_MS_MAX = 20.0
POLITE_S = 0.8  # of silence before the caller speaks
ANSWER_MAX_S = 8.0
POLL_S = 0.01
_CLOCK = SystemClock()


@dataclass(slots=True)
class Latency:
    """Of one contender, a value for each turn; None where nobody answered."""

    name: str
    turns_s: list[float | None] = field(default_factory=list)

    @property
    def answered_s(self) -> list[float]:
        return [turn_s for turn_s in self.turns_s if turn_s is not None]

    @property
    def unanswered(self) -> int:
        return len(self.turns_s) - len(self.answered_s)

    @property
    def p50_ms(self) -> float:
        return statistics.median(self.answered_s) * 1000

    @property
    def p95_ms(self) -> float:
        return statistics.quantiles(self.answered_s, n=20)[-1] * 1000


@dataclass(slots=True)
class Line:
    """One call under way."""

    hearing: Hearing
    microphone: Microphone
    turns_s: list[float | None] = field(default_factory=list)

    async def ask(self) -> None:
        """One turn, once the agent has finished the last."""
        await _until(lambda: self.hearing.quiet_s(_CLOCK.monotonic()) >= POLITE_S)
        await self.microphone.say(spoken(WORDS))
        ended_s = _CLOCK.monotonic()
        await _until(lambda: self.hearing.onset_after(ended_s) is not None)
        onset_s = self.hearing.onset_after(ended_s)
        self.turns_s.append(None if onset_s is None else onset_s - ended_s)


async def run(stack: Stack, pairs: int = PAIRS) -> list[Latency]:
    """The anchor first."""
    async with anchor_and_ours(stack, stack.layout.logs) as both:
        latencies = [Latency(contender.name) for contender in both]
        for first in range(0, pairs, PAIRS_A_CALL):
            turns = await _round(both, min(PAIRS_A_CALL, pairs - first))
            for latency, turns_s in zip(latencies, turns, strict=True):
                latency.turns_s += turns_s
    return latencies


async def _round(both: Sequence[Contender], pairs: int) -> list[list[float | None]]:
    """A call with each."""
    async with AsyncExitStack() as calls:
        lines = [await calls.enter_async_context(_call(contender)) for contender in both]
        for pair in range(WARM_UP_PAIRS + pairs):
            for line in lines if pair % 2 else reversed(lines):
                await line.ask()
    return [line.turns_s[WARM_UP_PAIRS:] for line in lines]


def share_ms(latencies: Sequence[Latency]) -> float:
    """What ours adds to the anchor at the 95th percentile."""
    anchor, ours = latencies
    return ours.p95_ms - anchor.p95_ms


def pair_ms(latencies: Sequence[Latency]) -> float:
    """The median of what ours adds within a pair; steadier than the tail, whatever else runs."""
    anchor, ours = latencies
    pairs = zip(anchor.turns_s, ours.turns_s, strict=True)
    return statistics.median((b - a) * 1000 for a, b in pairs if a is not None and b is not None)


@asynccontextmanager
async def _call(contender: Contender) -> AsyncIterator[Line]:
    """Answered and greeted."""
    ticket = await contender.click()
    line = Line(Hearing(), Microphone())
    ear, room = Ear(line.hearing, clock=_CLOCK), rtc.Room()

    def on_track(track: rtc.Track, publication: rtc.TrackPublication, _who: object) -> None:
        if publication.name != TRACK_DISCLOSURE:  # the agent does not listen while it says that
            ear.listen(track)

    room.on("track_subscribed", on_track)
    await room.connect(ticket.url, ticket.token)
    try:
        await line.microphone.publish(room)
        await _until(lambda: line.hearing.first_s is not None)
        yield line
    finally:
        await room.disconnect()
        await ear.close()
        await line.microphone.close()


async def _until(condition: Callable[[], bool]) -> None:
    """Poll; who waits in vain goes on."""
    deadline_s = _CLOCK.monotonic() + ANSWER_MAX_S
    while not condition() and _CLOCK.monotonic() < deadline_s:
        await asyncio.sleep(POLL_S)
