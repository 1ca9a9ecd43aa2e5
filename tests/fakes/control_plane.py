"""
A control plane for the agent's tests: a real HTTP server speaking /internal/v1, with a ledger in
memory that follows the same rules (absolute seconds, max-merge, grants within a credit), and faults
on command. It records what was asked, so a test can compare the agent's numbers with its own.
"""

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from aiohttp import web

from shared.call_protocol import (
    CallConfig,
    CallEvent,
    CloseAnswer,
    CloseCall,
    Gap,
    Grant,
    SettleAnswer,
    SettleReport,
    Standing,
    StartCall,
    TranscriptItem,
    TranscriptReport,
    WorkerReport,
)

TOKEN = "internal-token-of-the-tests"
GRANT_S = 60
LOW_S = 30


@dataclass
class FakeCall:
    config: CallConfig
    credit_seconds: int = 10_000
    epoch: int = 0
    job_id: str = ""
    seconds: int = 0
    granted: int = 0
    final: bool = False
    settles: list[int] = field(default_factory=list)
    closes: list[CloseCall] = field(default_factory=list)
    end_reason: str = ""
    transcript: dict[int, TranscriptItem] = field(default_factory=dict)
    gaps: dict[int, Gap] = field(default_factory=dict)
    events: dict[int, CallEvent] = field(default_factory=dict)

    @property
    def closed(self) -> bool:
        return bool(self.end_reason)

    def extend(self) -> None:
        if self.granted - self.seconds < LOW_S:
            wanted = self.seconds + GRANT_S
            self.granted = max(self.granted, min(wanted, self.credit_seconds))
            self.final = self.granted < wanted


@dataclass
class FakeControlPlane:
    """`fault(route)` returns a status, "lost" (done, but the answer never arrives) or ""."""

    calls: dict[UUID, FakeCall] = field(default_factory=dict)
    workers: dict[str, int] = field(default_factory=dict)
    fault: Callable[[str], str] = lambda _route: ""
    delay_s: float = 0.0
    requests: list[tuple[str, Any]] = field(default_factory=list)
    on_close: Callable[[FakeCall], None] = lambda _call: None
    port: int = 0
    _runner: web.AppRunner | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def add(self, config: CallConfig, *, credit_seconds: int = 10_000) -> FakeCall:
        call = FakeCall(config, credit_seconds)
        call.extend()
        self.calls[config.call_id] = call
        return call

    async def start(self) -> None:
        """Listen; the same port again after `stop`, as a restarted process would."""
        app = web.Application(middlewares=[self._faulty])
        prefix = "/internal/v1"
        app.router.add_post(f"{prefix}/calls/settle", self._settle)
        app.router.add_post(f"{prefix}/calls/{{id}}/start", self._start)
        app.router.add_post(f"{prefix}/calls/{{id}}/close", self._close)
        app.router.add_post(f"{prefix}/calls/{{id}}/transcript", self._transcript)
        app.router.add_post(f"{prefix}/workers", self._workers)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port)
        await site.start()
        if not self.port:
            self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        assert self._runner
        await self._runner.cleanup()

    @web.middleware
    async def _faulty(self, request: web.Request, handler: Any) -> web.StreamResponse:
        if request.headers.get("Authorization") != f"Bearer {TOKEN}":
            return web.Response(status=401)
        route = request.path.rsplit("/", 1)[1]
        fault = self.fault(route)
        if self.delay_s:
            await asyncio.sleep(self.delay_s)
        if fault.isdigit():
            return web.Response(status=int(fault))
        response: web.StreamResponse = await handler(request)
        if fault == "lost":
            assert request.transport
            request.transport.abort()
        return response

    def _call(self, request: web.Request) -> FakeCall:
        call = self.calls.get(UUID(request.match_info["id"]))
        if call is None:
            raise web.HTTPNotFound
        return call

    async def _start(self, request: web.Request) -> web.Response:
        body = StartCall.model_validate_json(await request.read())
        self.requests.append(("start", body))
        call = self._call(request)
        if call.closed:
            raise web.HTTPConflict
        if call.job_id != body.job_id:
            call.job_id, call.epoch = body.job_id, call.epoch + 1
        config = call.config.model_copy(
            update={
                "epoch": call.epoch,
                "seconds": call.seconds,
                "granted_seconds": call.granted,
                "final_unit": call.final,
            }
        )
        return _json(config.model_dump_json())

    async def _settle(self, request: web.Request) -> web.Response:
        report = SettleReport.model_validate_json(await request.read())
        self.requests.append(("settle", report))
        grants = []
        for item in report.calls:
            call = self.calls.get(item.id)
            if call is None:
                grants.append(_grant(item.id, Standing.UNKNOWN, 0, 0, final=True))
                continue
            standing = Standing.OPEN
            if call.closed:
                standing = Standing.CLOSED
            elif item.epoch != call.epoch:
                standing = Standing.FENCED
            else:
                call.settles.append(item.seconds)
                call.seconds = max(call.seconds, min(item.seconds, call.granted))
                call.extend()
            grants.append(_grant(item.id, standing, call.seconds, call.granted, final=call.final))
        return _json(SettleAnswer(calls=grants).model_dump_json())

    async def _close(self, request: web.Request) -> web.Response:
        body = CloseCall.model_validate_json(await request.read())
        self.requests.append(("close", body))
        call = self._call(request)
        already = call.closed
        if not already and body.epoch != call.epoch:
            raise web.HTTPConflict
        call.closes.append(body)
        if not already:
            call.seconds = max(call.seconds, min(body.seconds, call.granted))
            call.end_reason = body.reason.value
            self.on_close(call)
        answer = CloseAnswer(
            id=call.config.call_id,
            seconds=call.seconds,
            end_reason=call.end_reason,
            already_closed=already,
        )
        return _json(answer.model_dump_json())

    async def _transcript(self, request: web.Request) -> web.Response:
        report = TranscriptReport.model_validate_json(await request.read())
        call = self._call(request)
        call.transcript.update({item.index: item for item in report.items})
        call.gaps.update({gap.index: gap for gap in report.gaps})
        call.events.update({event.index: event for event in report.events})
        return _json("{}")

    async def _workers(self, request: web.Request) -> web.Response:
        report = WorkerReport.model_validate_json(await request.read())
        self.workers[report.worker_id] = report.slots
        return _json("{}")


def _grant(call_id: UUID, standing: Standing, seconds: int, granted: int, *, final: bool) -> Grant:
    return Grant(
        id=call_id, standing=standing, seconds=seconds, granted_seconds=granted, final_unit=final
    )


def _json(text: str) -> web.Response:
    return web.json_response(json.loads(text))
