"""
A simulated call that goes on while the test does something to it.

    async with talk(stack, CallPlan(lines=(), seconds=60)) as ann:
        await ann.heard(5)
        stack.kill("agent")
        truth_s = ann.heard_s
        result = await ann.result(timeout_s=30)

Truth is what the caller's own ear and clock say: it shares nothing with the meter.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from local.call_plan import CallPlan, Line
from local.call_result import CallResult
from local.caller import SimulatedCaller
from local.stack import Stack

POLL_S = 0.02
ANSWER_MAX_S = 15  # two busy cores; one call alone is answered in half a second
LONG_S = 600  # a caller who stays until somebody else ends the call

HELLO = CallPlan(lines=(Line.of("hello there"),), seconds=LONG_S)


def lasting(seconds: float) -> CallPlan:
    """A caller who says hello every now and then and hangs up after `seconds` of talk."""
    return CallPlan(lines=HELLO.lines, seconds=seconds)


@dataclass(slots=True)
class Talk:
    """A call under way. Its notices, captions and meters are in `so_far` as they come."""

    caller: SimulatedCaller
    task: asyncio.Task[CallResult]

    @property
    def so_far(self) -> CallResult:
        return self.caller.result

    @property
    def first_heard_at_s(self) -> float | None:
        """The moment of the agent's first sound, by the monotonic clock."""
        call = self.caller._call
        return call._hearing.first_s if call else None

    @property
    def last_heard_at_s(self) -> float | None:
        """The moment of the agent's latest sound so far."""
        call = self.caller._call
        return call._hearing.last_s if call else None

    @property
    def quiet_s(self) -> float:
        """How long the agent has said nothing; 0 before its first sound."""
        return time.monotonic() - (self.last_heard_at_s or time.monotonic())

    @property
    def heard_s(self) -> float:
        """How long ago the agent was first heard: the length of the call up to now."""
        first_s = self.first_heard_at_s
        return 0.0 if first_s is None else time.monotonic() - first_s

    @property
    def call_id(self) -> str:
        call_id = self.so_far.call_id
        assert call_id, "no token yet"
        return call_id

    async def heard(self, seconds: float) -> None:
        """Until the call has lasted `seconds` by the caller's stopwatch."""
        await self.until(
            lambda: self.first_heard_at_s is not None and self.heard_s >= seconds,
            timeout_s=ANSWER_MAX_S + seconds,
        )

    async def until(self, condition: Callable[[], bool], *, timeout_s: float) -> None:
        """Until something is true of the running call; fails when the call ends before."""
        deadline = time.monotonic() + timeout_s
        while not condition():
            assert not self.task.done(), f"the call ended: {self.so_far}"
            assert time.monotonic() < deadline, f"not within {timeout_s} s: {self.so_far}"
            await asyncio.sleep(POLL_S)

    async def noticed(self, kind: str, *, timeout_s: float) -> str:
        """The words of the first notice of this kind."""
        await self.until(
            lambda: any(notice.kind == kind for notice in self.so_far.notices), timeout_s=timeout_s
        )
        return next(notice.message for notice in self.so_far.notices if notice.kind == kind)

    async def result(self, *, timeout_s: float) -> CallResult:
        """How it ended, once the bill is settled or that took too long."""
        async with asyncio.timeout(timeout_s):
            return await asyncio.shield(self.task)


@asynccontextmanager
async def talk(
    stack: Stack, plan: CallPlan, *, caller: SimulatedCaller | None = None
) -> AsyncIterator[Talk]:
    """Place a call in the background; whatever is left of it is hung up at the end."""
    caller = caller or SimulatedCaller(stack.control_plane_url)
    task = asyncio.create_task(caller.place(plan))
    try:
        yield Talk(caller, task)
    finally:
        if not task.done():
            task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await caller.close()
