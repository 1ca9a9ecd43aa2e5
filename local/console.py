"""A call as text in a terminal: captions of both sides and the running meter."""

import asyncio
from collections.abc import Callable

from local.call_result import Caption
from local.caller import SimulatedCaller
from shared.call_protocol import MeterMessage, Notice
from shared.clock import Clock, SystemClock

TICK_S = 0.25  # between two looks whether a second has passed


def credits_for(seconds: int, credits_per_minute: int) -> int:
    """What is shown for so many seconds: whole credits, rounded up as a bill is."""
    return -(-seconds * credits_per_minute // 60)


class CallConsole:
    """Prints while a call goes on. The meter counts by itself between two messages of the agent."""

    def __init__(
        self, *, show: Callable[[str], None] | None = None, clock: Clock | None = None
    ) -> None:
        self.meter_lines = 0  # how often the meter was shown
        self._show = show or _print
        self._clock = clock or SystemClock()
        self._balance = 0
        self._meter: MeterMessage | None = None
        self._meter_at_s = 0.0
        self._shown_second = 0
        self._caller: SimulatedCaller | None = None
        self._ticker: asyncio.Task[None] | None = None

    async def follow(self, caller: SimulatedCaller) -> None:
        """Sign the caller in, look at the balance, and show the meter from now on."""
        await caller.api.sign_in(caller.email)
        self.watch(caller, balance=(await caller.api.balance()).available)
        self._show(f"balance: {self._balance:,} credits")
        self._ticker = asyncio.create_task(self._tick())

    def watch(self, caller: SimulatedCaller, *, balance: int) -> None:
        """Whose call it is, and how many credits there were before it."""
        self._caller, self._balance = caller, balance

    def close(self) -> None:
        if self._ticker is not None:
            self._ticker.cancel()

    def caption(self, caption: Caption) -> None:
        self._show(f"{caption.speaker}: {caption.text}")

    def meter(self, message: MeterMessage) -> None:
        self._meter, self._meter_at_s = message, self._clock.monotonic()
        self.show_meter()

    def notice(self, notice: Notice) -> None:
        self._show(f"* {notice.message}")

    def stage(self, words: str) -> None:
        self._show(f"* {words}")

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(TICK_S)
            self.show_meter()

    def show_meter(self) -> None:
        """One line for each second of the call, however often it is asked."""
        second = self._second()
        if self._caller is None or second <= self._shown_second:
            return
        self._shown_second = second
        used = credits_for(second, self._caller.result.credits_per_minute)
        left = max(0, self._balance - used)
        self.meter_lines += 1
        self._show(f"{second // 60:02}:{second % 60:02}  {used:,} credits used, {left:,} left")

    def _second(self) -> int:
        """Seconds of the call that are paid or being paid."""
        if self._meter is None:
            return 0
        if self._meter.state != "running":
            return self._meter.seconds
        passed_s = int(self._clock.monotonic() - self._meter_at_s)
        return min(self._meter.seconds + passed_s, self._meter.granted_seconds)


def _print(line: str) -> None:
    print(line, flush=True)
