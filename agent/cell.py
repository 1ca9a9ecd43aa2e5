"""
One process with a few calls in it: a LiveKit AgentServer whose jobs are threads.

Threads share the memory of the media engine; a crash takes the calls of this cell and no other,
and no money. The main thread serves the worker protocol and one connection to the control plane
for all its calls.
"""

import asyncio
import contextlib
import os
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, TypeVar

from livekit import rtc
from livekit.agents import AgentServer, JobContext, JobRequest
from livekit.agents.job import JobExecutorType

from agent.answering import answer_job
from agent.charging_client import ChargingClient
from agent.journal import Journal, Mode
from agent.leash import is_orphan
from agent.memory import release_memory
from agent.sentences import Sentences
from agent.settings import AgentSettings
from agent.slots import SlotPool
from agent.tools.mcp.opening import open_servers
from agent.tools.port import MoreTools, NoMoreTools
from shared.call_protocol import AGENT_NAME
from shared.clock import Clock
from shared.log import get_logger

log = get_logger(__name__)

WATCH_EVERY_S = 0.2
# A call that says goodbye keeps its thread for a moment after the control plane has counted it out.
# So each cell has room for more than the group offers, and nobody admitted is turned away.
LINGERING_CALLS = 2
CLOSE_MAX_S = 5.0
ANSWER_S = 10.0  # longest wait of a call for the connection of its cell
RECONNECTS_MAX = 10**6  # LiveKit may be away for hours; that is no reason to end calls that run

ResultT = TypeVar("ResultT")


@dataclass(slots=True)
class Cell:
    """What the calls of this process share."""

    settings: AgentSettings
    journal: Journal
    number: int
    clock: Clock
    pool: SlotPool
    client: ChargingClient
    loop: asyncio.AbstractEventLoop
    accepted: int = 0
    parent_pid: int = field(default_factory=os.getppid)
    is_retiring: bool = False  # another process takes our place when the last call is over
    more_tools: Callable[[], MoreTools] = NoMoreTools  # of one call, from servers of others
    sentences: Sentences = field(init=False)  # said where no model can speak

    def __post_init__(self) -> None:
        self.sentences = Sentences(self.settings)

    @property
    def is_serving(self) -> bool:
        return self.journal.mode is Mode.SERVING and not self.is_retiring

    async def ask(self, request: Coroutine[Any, Any, ResultT]) -> ResultT:
        """Await something of the main thread's loop from the loop of a call."""
        future = asyncio.run_coroutine_threadsafe(request, self.loop)
        return await asyncio.wait_for(asyncio.wrap_future(future), ANSWER_S)


async def serve(settings: AgentSettings, journal: Journal, number: int, clock: Clock) -> None:
    """
    Run until the group drains, or this cell is worn out, and the last call has ended.

    Raises when LiveKit is given up.
    """
    load_media_engine()
    async with (
        ChargingClient(settings.control_plane_url, settings.internal_token) as client,
        open_servers(settings.agent_mcp_servers) as more_tools,
    ):
        pool = SlotPool(journal, number)
        loop = asyncio.get_running_loop()
        cell = Cell(settings, journal, number, clock, pool, client, loop, more_tools=more_tools)
        server = _server(cell)
        running = asyncio.create_task(server.run())
        watching = asyncio.create_task(_watch(cell, server))
        await asyncio.wait({running, watching}, return_when=asyncio.FIRST_COMPLETED)
        if running.done():
            watching.cancel()
            running.result()
        watching.result()
        # A thread that hangs would hold this up forever; everything it owes is in the journal.
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(server.aclose(), CLOSE_MAX_S)
        running.cancel()


def load_media_engine() -> None:
    """
    Before any call runs: the SDK creates its engine at first use, without a lock.

    Two calls that come at the same moment would create it twice, and one of them never hear of its
    room (livekit 1.1.21, `FfiClient.instance`).
    """
    rtc.AudioResampler(48_000, 48_000)


def _server(cell: Cell) -> AgentServer:
    threads = cell.journal.slots_per_cell
    server = AgentServer(
        job_executor_type=JobExecutorType.THREAD,
        num_idle_processes=threads,
        # LiveKit stops offering at the threshold: it must see "full" only when we are.
        load_fnc=lambda server: len(server.active_jobs) / threads,
        load_threshold=0.999,
        ws_url=cell.settings.livekit_url,
        api_key=cell.settings.livekit_api_key,
        api_secret=cell.settings.livekit_api_secret.get_secret_value(),
        max_retry=RECONNECTS_MAX,
        host="127.0.0.1",
        port=0,
    )

    async def on_request(request: JobRequest) -> None:
        if not cell.is_serving or cell.pool.free == 0:
            await request.reject(terminate=False)  # another cell may have room
            return
        await request.accept()

    async def on_job(context: JobContext) -> None:
        await answer_job(context, cell)

    server.rtc_session(on_job, agent_name=AGENT_NAME, on_request=on_request)
    return server


async def _watch(cell: Cell, server: AgentServer) -> None:
    """Tell the group whether we can take calls; return when it is time to leave."""
    registered = asyncio.Event()
    server.on("worker_registered", lambda *_: registered.set())
    draining: asyncio.Task[None] | None = None
    held = 0
    while True:
        before, held = held, len(server.active_jobs)
        if held < before:
            release_memory()
        cell.is_retiring = cell.is_retiring or _is_worn_out(cell)
        # The server says when it has registered, not when it lost the connection again.
        is_connected = registered.is_set() and not server._connecting  # noqa: SLF001
        cell.journal.set_ready(cell.number, ready=cell.is_serving and is_connected)
        if not cell.is_serving and draining is None:
            draining = asyncio.create_task(server.drain(timeout=None))
        if (draining and draining.done()) or is_orphan(cell.parent_pid):
            return
        await asyncio.sleep(WATCH_EVERY_S)


def _is_worn_out(cell: Cell) -> bool:
    """After many calls, and only while all other cells can take what we then do not."""
    others = (number for number in range(cell.journal.cells) if number != cell.number)
    limit = cell.settings.agent_calls_per_renewal
    return cell.pool.served >= limit and all(cell.journal.is_ready(other) for other in others)
