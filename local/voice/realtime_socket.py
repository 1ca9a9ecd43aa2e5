"""`/v1/realtime`: one WebSocket each, its limits, and the faults that happen to sockets."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

from aiohttp import WSMessage, WSMsgType, web

from local.voice.faults import Kind
from local.voice.http_errors import HttpError
from local.voice.protocol import MESSAGE_BYTES_MAX, Event, ProtocolError, error_body, new_id
from local.voice.realtime import Realtime
from local.voice.services import Services
from local.voice.session import Session
from shared.log import get_logger

log = get_logger(__name__)

CONNECTIONS_MAX = 256  # 1.3 cores of listening calls; more is a leak in a client
HEARTBEAT_S = 20.0  # a client that vanished is noticed after one and a half of these
MODEL_CHARS_MAX = 200


class RealtimeSockets:
    """All open sockets."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._open: set[RealtimeSocket] = set()

    async def connect(self, request: web.Request) -> web.StreamResponse:
        """The handler of the route."""
        stats = self._services.stats
        if self._services.faults.take("refuse") or len(self._open) >= CONNECTIONS_MAX:
            stats.connections_refused += 1
            raise HttpError(503, "no capacity for another session", code="server_overloaded")
        socket = RealtimeSocket(request, self._services)
        stats.connections += 1
        self._open.add(socket)
        stats.connections_open = len(self._open)
        try:
            return await socket.serve()
        finally:
            self._open.discard(socket)
            stats.connections_open = len(self._open)

    def meet_faults(self) -> None:
        """Faults changed; they reach open sockets too."""
        for socket in tuple(self._open):
            socket.meet_faults()

    async def close(self) -> None:
        for socket in tuple(self._open):
            await socket.close()


class RealtimeSocket:
    """One client. Also the Outlet of its session."""

    def __init__(self, request: web.Request, services: Services) -> None:
        self._request = request
        self._services = services
        # 50 kB/s of noise does not compress; a ping answers for the idle client
        self._ws = web.WebSocketResponse(
            max_msg_size=MESSAGE_BYTES_MAX, heartbeat=HEARTBEAT_S, compress=False
        )
        self._connected_s = services.clock.monotonic()
        self._stalled = False
        self._drop_timer: asyncio.TimerHandle | None = None
        self._limit_timer: asyncio.TimerHandle | None = None
        self._expiry: asyncio.Task[None] | None = None
        self._events_sent = 0
        self._event_prefix = new_id("event")

    async def serve(self) -> web.WebSocketResponse:
        """Talk until either side ends it."""
        await self._ws.prepare(self._request)
        self.meet_faults()
        realtime = Realtime(self._new_session(), outlet=self, services=self._services)
        try:
            await realtime.open()
            async for message in self._ws:
                if not self._stalled:
                    await self._receive(message, realtime)
        finally:
            self._stop_timers()
            await realtime.close()
        return self._ws

    async def send(self, event_type: str, **fields: Any) -> None:
        if self._ws.closed or self._stalled:
            return
        self._events_sent += 1
        event_id = f"{self._event_prefix}_{self._events_sent}"
        event: Event = {"type": event_type, "event_id": event_id, **fields}
        try:
            await self._ws.send_str(json.dumps(event))
        except ConnectionError:
            return  # it went away between two events; the reading side ends the session

    async def close(self) -> None:
        await self._ws.close()

    def meet_faults(self) -> None:
        """Begin or end the faults of a socket that are in force now."""
        faults = self._services.faults
        self._stalled = bool(faults.take("stall"))
        self._stop_timers()
        self._drop_timer = self._timer_of("drop_after_s", self._drop)
        self._limit_timer = self._timer_of("session_limit_s", self._expire)

    def _timer_of(self, kind: Kind, act: Callable[[], None]) -> asyncio.TimerHandle | None:
        """Seconds after the connect, for a fault that is in force."""
        after_s = self._services.faults.peek(kind)
        if after_s is None:
            return None
        age_s = self._services.clock.monotonic() - self._connected_s
        return asyncio.get_running_loop().call_later(max(0.0, after_s - age_s), act)

    def _expire(self) -> None:
        """End the session as a provider does whose sessions have a longest time."""
        if self._services.faults.take("session_limit_s") is None:
            return
        self._services.stats.sessions_expired += 1
        self._expiry = asyncio.get_running_loop().create_task(self._say_expired())

    async def _say_expired(self) -> None:
        error = ProtocolError("the session has reached its longest time", code="session_expired")
        await self.send("error", error=error_body(error, event_id=None))
        await self._ws.close()

    def _drop(self) -> None:
        """Break the connection without a close frame, as a dying provider does."""
        if self._services.faults.take("drop_after_s") is None:
            return
        self._services.stats.connections_dropped += 1
        if self._request.transport:
            self._request.transport.abort()

    def _stop_timers(self) -> None:
        for timer in (self._drop_timer, self._limit_timer):
            if timer:
                timer.cancel()
        self._drop_timer = self._limit_timer = None

    async def _receive(self, message: WSMessage, realtime: Realtime) -> None:
        if message.type != WSMsgType.TEXT:
            await realtime.refuse(ProtocolError("send JSON as text"))
            return
        try:
            event = json.loads(message.data)
        except (ValueError, RecursionError):
            await realtime.refuse(ProtocolError("the message is not JSON"))
            return
        await realtime.handle(event)

    def _new_session(self) -> Session:
        query = self._request.query
        return Session(
            session_id=new_id("sess"),
            model=query.get("model", "local-voice")[:MODEL_CHARS_MAX],
            language=query.get("language"),
        )
