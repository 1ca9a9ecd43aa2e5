"""How the simulated caller talks: it lets the agent finish, sometimes it interrupts."""

import asyncio
import contextlib
from collections.abc import Callable
from itertools import cycle

from local.call_plan import CallPlan, Line
from local.call_result import Turn
from local.hearing import Hearing
from local.microphone import Microphone, duration_s
from shared.clock import Clock

POLL_S = 0.05
POLITE_S = 0.8  # of the agent's silence before we speak; longer than a pause between sentences
INTO_SPEECH_S = 2.0  # how long the agent has been talking when we interrupt
ANSWER_S = 6.0  # how long an answer may take before we say the next thing
MARGIN_S = 1.5  # do not begin a line that could not be answered before we hang up


class Conversation:
    """One caller's side. `turns` grows while it goes on."""

    def __init__(
        self, plan: CallPlan, *, microphone: Microphone, hearing: Hearing, clock: Clock
    ) -> None:
        self.turns: list[Turn] = []
        self._plan = plan
        self._microphone = microphone
        self._hearing = hearing
        self._clock = clock

    async def greeting_heard(self) -> bool:
        """Whether the agent said anything within the plan's patience."""
        return await self._until(
            lambda: self._hearing.first_s is not None, self._plan.answer_wait_s
        )

    async def talk(self, until_s: float) -> None:
        """Say the lines in turn until the moment `until_s` of the clock, in mid-word if need be."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(until_s - self._clock.monotonic()):
                for line in cycle(self._plan.lines) if self._plan.lines else ():
                    if not await self._may_speak(line, until_s):
                        break
                    self.turns.append(await self._say(line))
                await asyncio.Event().wait()  # listen until the time is up

    async def _may_speak(self, line: Line, until_s: float) -> bool:
        """Wait for the moment to speak; False when too little time is left for line and answer."""
        needed_s = duration_s(line.pcm) + MARGIN_S
        if needed_s + MARGIN_S < self._plan.seconds:  # else it never fits: say what can be said
            until_s -= needed_s
        patience_s = until_s - self._clock.monotonic()
        moment = self._agent_talks if line.barge_in else self._is_our_turn
        return await self._until(moment, patience_s)

    def _is_our_turn(self) -> bool:
        return self._hearing.quiet_s(self._clock.monotonic()) >= POLITE_S

    def _agent_talks(self) -> bool:
        now_s = self._clock.monotonic()
        began_s = self._hearing.stretches[-1].from_s
        return self._hearing.speaks(now_s) and now_s - began_s >= INTO_SPEECH_S

    async def _say(self, line: Line) -> Turn:
        began_s = self._clock.monotonic()
        await self._microphone.say(line.pcm)
        ended_s = self._clock.monotonic()
        fell_silent_s = await self._silence_after(began_s) if line.barge_in else None
        await self._until(lambda: self._hearing.onset_after(ended_s) is not None, ANSWER_S)
        onset_s = self._hearing.onset_after(ended_s)
        return Turn(
            said=line.words,
            barge_in=line.barge_in,
            latency_s=None if onset_s is None else onset_s - ended_s,
            fell_silent_s=fell_silent_s,
        )

    async def _silence_after(self, began_s: float) -> float | None:
        """From our first word to the end of the stretch we interrupted; None: it never ended."""
        index = len(self._hearing.stretches) - 1
        interrupted = self._hearing.stretches[index]
        silent = await self._until(
            lambda: (
                not self._hearing.speaks(self._clock.monotonic())
                or len(self._hearing.stretches) > index + 1
            ),
            ANSWER_S,
        )
        return interrupted.until_s - began_s if silent else None

    async def _until(self, condition: Callable[[], bool], patience_s: float) -> bool:
        deadline = self._clock.monotonic() + patience_s
        while not condition():
            if self._clock.monotonic() >= deadline:
                return False
            await asyncio.sleep(POLL_S)
        return True
