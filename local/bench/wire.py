"""
Bytes between agent and control plane a call and minute: the agent's own client, through a relay.

HTTP heads are counted, in both directions; TCP's own are not. Anchor: a report each second for each
call alone.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial

import asyncpg
from pydantic import SecretStr

from agent.charger import HEARTBEAT_EVERY_S, SETTLE_EVERY_S
from agent.charging_client import ChargingClient
from local.bench.virtual_calls import open_calls
from local.stack import Stack
from shared.call_protocol import CallReport, SettleReport, WorkerReport

REQUESTS = 20
BATCHES = (1, 20)
CHUNK_BYTES = 65_536
SECONDS = 3_600  # of a call that has lasted an hour: four digits


@dataclass(frozen=True, slots=True)
class WireCost:
    name: str
    bytes_per_call_minute: float


async def wire_costs(stack: Stack) -> list[WireCost]:
    """The stack needs postgres and web only."""
    relay = CountingRelay(stack.ports.web)
    async with relay.listening():
        token = SecretStr(stack.env["INTERNAL_TOKEN"])
        async with ChargingClient(f"http://127.0.0.1:{relay.port}", token) as client:
            worker = WorkerReport(worker_id="agent-host.example-12345-1700000000", slots=20)
            beat = await relay.bytes_of(partial(client.report_worker, worker))
            settle = {}
            for batch in BATCHES:
                report = await _report(stack.database_url, worker.worker_id, batch)
                settle[batch] = await relay.bytes_of(partial(client.settle, report))
    group, settles_a_minute = BATCHES[-1], 60 / SETTLE_EVERY_S
    return [
        WireCost("anchor: one report a call and second", settle[1] * 60),
        *[
            WireCost(f"settle, {batch} calls a request", settle[batch] / batch * settles_a_minute)
            for batch in BATCHES
        ],
        WireCost(f"heartbeats of {group} calls' group", beat * 60 / HEARTBEAT_EVERY_S / group),
    ]


async def _report(dsn: str, worker_id: str, batch: int) -> SettleReport:
    connection = await asyncpg.connect(dsn)
    try:
        calls = await open_calls(connection, batch)
    finally:
        await connection.close()
    reports = [CallReport(id=call, epoch=1, seconds=SECONDS) for call in calls]
    return SettleReport(worker_id=worker_id, calls=reports)


@dataclass
class CountingRelay:
    """Passes connections on to a port of this machine, and counts what goes through."""

    target_port: int
    port: int = 0
    count: int = 0
    _carriers: set[asyncio.Task[None]] = field(default_factory=set)

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield
        finally:
            server.close()
            for carrier in tuple(self._carriers):
                carrier.cancel()
            await asyncio.gather(*self._carriers, return_exceptions=True)

    async def bytes_of(self, ask: Callable[[], Awaitable[object]]) -> float:
        """Of one request and its answer, on the average of REQUESTS on a warm connection."""
        await ask()
        before = self.count
        for _ in range(REQUESTS):
            await ask()
        return (self.count - before) / REQUESTS

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", self.target_port)
        for source, sink in ((reader, back), (there, writer)):
            carrier = asyncio.create_task(self._carry(source, sink))
            self._carriers.add(carrier)
            carrier.add_done_callback(self._carriers.discard)

    async def _carry(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        try:
            while chunk := await source.read(CHUNK_BYTES):
                self.count += len(chunk)
                sink.write(chunk)
                await sink.drain()
        finally:
            sink.close()
