"""
What one call costs: cores and memory of the agent's process tree, and click to first sound.

Three contenders on one media server and one voice: the floor (bare participants), the anchor (a
plain LiveKit worker) and ours with metering, captions and transcripts; on request a fourth, ours
with memory and tools in use (`full_calls`). All use the same caller, and the rooms of the anchors
are made at the click too, so nobody gains by the moment of dispatch.
"""

import asyncio
import os
import statistics
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from livekit import api

from local.api_client import ApiClient
from local.bench.anchors import PLAIN_WORKER
from local.bench.dialer import WORDS, Ticket, hold_call
from local.bench.full_calls import FULL_WORDS, LINKS, full_click
from local.bench.process_tree import cpu_s, pss_mib
from local.caller import new_email
from local.stack import Stack
from shared.clock import SystemClock
from shared.ids import new_uuid

ARRIVAL_S = 1.0  # one caller a second, as in the published measurement
SETTLE_IN_S = 5.0
MEASURE_S = 15.0
START_MAX_S = 120.0  # a plain worker loads its models first, on whatever is left of the machine
AFTER_S = 3.0  # between contenders: rooms close, processes are reaped
CORES_MAX, MIB_MAX = 0.080, 60  # a call; the target of the first issue
FULL = "sexycall, memory and tools"
FULL_SETTINGS = {"CALL_LINKS": LINKS}
_CLOCK = SystemClock()


@dataclass
class Cost:
    """Of one contender at one number of calls. Medians over rounds are taken by the reader."""

    name: str
    calls: int
    cores_per_call: list[float] = field(default_factory=list)
    mib_per_call: list[float] = field(default_factory=list)
    first_sound_s: list[float] = field(default_factory=list)
    unanswered: int = 0


@dataclass(frozen=True, slots=True)
class Contender:
    """`click` gives one caller a way into a room of its own, who then says `words` in turn."""

    name: str
    pid: int
    click: Callable[[], Awaitable[Ticket]]
    words: tuple[str, ...] = WORDS


async def measure(contender: Contender, calls: int, cost: Cost) -> None:
    """One round: callers arrive one a second, then a steady stretch is measured."""
    stop = asyncio.Event()
    callers = []
    for number in range(calls):
        first = number % len(contender.words)  # so that all of them are in the air at once
        words = contender.words[first:] + contender.words[:first]
        callers.append(asyncio.create_task(hold_call(contender.click, stop, words=words)))
        await asyncio.sleep(ARRIVAL_S)
    await asyncio.sleep(SETTLE_IN_S)
    used_s, began_s = cpu_s(contender.pid), _CLOCK.monotonic()
    await asyncio.sleep(MEASURE_S)
    took_s = _CLOCK.monotonic() - began_s
    cost.cores_per_call.append((cpu_s(contender.pid) - used_s) / took_s / calls)
    cost.mib_per_call.append(pss_mib(contender.pid) / calls)
    stop.set()
    heard = await asyncio.gather(*callers)
    cost.first_sound_s += [s for s in heard if s is not None]
    cost.unanswered += sum(s is None for s in heard)
    await asyncio.sleep(AFTER_S)


@asynccontextmanager
async def contenders(
    stack: Stack, logs: Path, *, full: bool = False
) -> AsyncIterator[list[Contender]]:
    """Ours runs in the stack; the anchors are started beside it. `full`: the fourth one, too."""
    agent = stack.pid_of("agent")
    more = [Contender(FULL, agent, await full_click(stack), FULL_WORDS)] if full else []
    async with _anchor(stack, logs, "floor") as pid, anchor_and_ours(stack, logs) as others:
        floor = Contender("floor: bare participants", pid, _room_click(stack, "floor", None))
        yield [floor, *others, *more]


@asynccontextmanager
async def anchor_and_ours(stack: Stack, logs: Path) -> AsyncIterator[list[Contender]]:
    """The plain worker first."""
    async with _anchor(stack, logs, "plain_worker", "start") as pid:
        click = _room_click(stack, "plain", PLAIN_WORKER)
        ours = Contender("sexycall", stack.pid_of("agent"), _our_click(stack))
        yield [Contender("anchor: plain worker", pid, click), ours]


def median(values: list[float]) -> float:
    return statistics.median(values) if values else float("nan")


def _our_click(stack: Stack) -> Callable[[], Awaitable[Ticket]]:
    async def click() -> Ticket:
        async with ApiClient(stack.control_plane_url) as client:
            await client.sign_in(new_email())
            token = await client.call_token(instructions="Be brief.", language="en", voice="Ara")
            return Ticket(token.url, token.access_token)

    return click


def _room_click(stack: Stack, prefix: str, agent: str | None) -> Callable[[], Awaitable[Ticket]]:
    """A room made at the click, with a dispatch in it when there is an agent to dispatch."""
    url, key, secret = (stack.env[f"LIVEKIT_{n}"] for n in ("URL", "API_KEY", "API_SECRET"))

    async def click() -> Ticket:
        name = f"{prefix}-{new_uuid()}"
        agents = [api.RoomAgentDispatch(agent_name=agent)] if agent else []
        async with api.LiveKitAPI(url.replace("ws", "http", 1), key, secret) as livekit:
            await livekit.room.create_room(api.CreateRoomRequest(name=name, agents=agents))
        grants = api.VideoGrants(room_join=True, room=name)
        token = api.AccessToken(key, secret).with_identity("human").with_grants(grants)
        return Ticket(url, token.to_jwt())

    return click


@asynccontextmanager
async def _anchor(stack: Stack, logs: Path, module: str, *arguments: str) -> AsyncIterator[int]:
    log_path = logs / f"{module}.log"
    with log_path.open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", f"local.bench.anchors.{module}", *arguments),
            env={**os.environ, **stack.env},
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        await _wait_for_start(log_path)
        yield process.pid
    finally:
        process.terminate()
        try:
            await asyncio.wait_for(process.wait(), timeout=AFTER_S)
        except TimeoutError:
            process.kill()
            await process.wait()


async def _wait_for_start(log_path: Path) -> None:
    """Both anchors say "registered worker" when calls may come."""
    async with asyncio.timeout(START_MAX_S):
        while b"registered worker" not in log_path.read_bytes():
            await asyncio.sleep(0.1)
