"""
The connection to a realtime provider, as one that does not end.

The plugin dials, and dials again when a connection is lost, with the conversation as text. Here is
what it does not know: that a vanished host must be noticed in seconds, that a session can be
replaced before it ends, that another provider can take over, and that what the caller said
meanwhile must be heard by the new session. Provider errors for good never reach the framework,
which would close half of itself and tell nobody.
"""

import asyncio
import json
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from livekit.plugins.openai.realtime.realtime_model import process_base_url

from agent.engines.endpoint import Endpoint
from agent.engines.unheard_audio import UnheardAudio
from shared.clock import Clock
from shared.log import get_logger

log = get_logger(__name__)

HEARTBEAT_S = 6.0  # gone is noticed after one and a half of these
DIAL_MAX_S = 4.0
RENEW_AGAIN_S = 5.0  # after a renewal that failed; the old session goes on meanwhile
CLOSE_MAX_S = 0.2  # a silent provider would answer a farewell after 10 s
STRIKES_MAX = 2  # failures without an answer in between, then it is the next one's turn
ERROR_CHARS_MAX = 4_096
# What no new session would change: our account with this provider.
FATAL_CODES = (
    "insufficient_quota",
    "credit_balance_exhausted",
    "invalid_api_key",
    "account_deactivated",
    "billing_hard_limit_reached",
)
REFUSED = (401, 402, 403)
_APPEND_END = '"input_audio_buffer.append"}'
_GONE = (aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSING)

Connection = aiohttp.ClientWebSocketResponse


class NobodyLeft(aiohttp.ClientError):
    """Every provider has refused us for good."""


@dataclass(slots=True)
class ProviderLink:
    """
    What the plugin uses of an aiohttp session.

    `on_lost`: the connection broke, not at our wish. `on_failed`: no provider is left.
    """

    http: aiohttp.ClientSession
    endpoints: Sequence[Endpoint]
    clock: Clock
    on_lost: Callable[[], None] = lambda: None
    on_failed: Callable[[], None] = lambda: None
    gives_up: bool = False  # after a few failures, though its endpoint may come back
    unheard: UnheardAudio = field(default_factory=UnheardAudio)
    endpoint: Endpoint = field(init=False)
    connections: int = 0
    _left: list[Endpoint] = field(init=False)
    _strikes: int = 0
    _socket: "LinkSocket | None" = None
    _spare: "LinkSocket | None" = None
    _connected_s: float = 0.0
    _renewal: asyncio.Task[Any] | None = None
    _headers: dict[str, str] = field(default_factory=dict)
    _background: set[asyncio.Task[Any]] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._left = list(self.endpoints)
        self.endpoint = self._left[0]

    async def ws_connect(self, url: str, headers: dict[str, str]) -> "LinkSocket":
        """As aiohttp's; the address is that of the endpoint whose turn it is."""
        del url  # the plugin knows the first endpoint only
        self._headers = headers
        spare, self._spare = self._spare, None
        self._socket = spare or await self._dial(headers)
        self._connected_s = self.clock.monotonic()
        self.connections += 1
        return self._socket

    @property
    def age_s(self) -> float:
        """Of the present session."""
        return self.clock.monotonic() - self._connected_s if self._socket else 0.0

    def renew(self) -> None:
        """Put a new session in the place of this one, dialled before the old one is left."""
        if self._socket and not self._socket.is_over and not self._renewal:
            self._renewal = self.later(self._renew(self._socket))

    async def _renew(self, old: "LinkSocket") -> None:
        try:
            self._spare = await self._dial(self._headers)
        except (aiohttp.ClientError, TimeoutError):
            await asyncio.sleep(RENEW_AGAIN_S)
            return
        finally:
            self._renewal = None
        log.info("provider_session_renewed", provider=self.endpoint.provider)
        old.leave()

    def break_off(self) -> None:
        """The other side is silent: leave it."""
        self._strike()
        if self._socket:
            self._socket.leave()

    def proved(self) -> None:
        """A whole answer came: this provider works."""
        self._strikes = 0

    def lost(self, endpoint: Endpoint) -> None:
        """A connection ended by itself."""
        self._strike()
        log.info("provider_connection_lost", provider=endpoint.provider)
        self.on_lost()

    def refused(self, endpoint: Endpoint, code: str) -> None:
        """This provider will not speak with us in this call any more."""
        log.warning("provider_refused", provider=endpoint.provider, code=code)
        if endpoint in self._left:
            self._left.remove(endpoint)
        if not self._left:
            self.on_failed()
        elif endpoint is self.endpoint:
            self._take(self._left[0])

    def later(self, work: Coroutine[Any, Any, Any]) -> "asyncio.Task[Any]":
        task = asyncio.get_running_loop().create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)
        return task

    async def _dial(self, headers: dict[str, str]) -> "LinkSocket":
        if not self._left:
            raise NobodyLeft
        endpoint = self.endpoint
        headers = {**headers, "Authorization": f"Bearer {endpoint.api_key.get_secret_value()}"}
        try:
            async with asyncio.timeout(DIAL_MAX_S):
                connection = await self.http.ws_connect(
                    process_base_url(endpoint.base_url, endpoint.model),
                    headers=headers,
                    heartbeat=HEARTBEAT_S,
                )
        except aiohttp.WSServerHandshakeError as refusal:
            if refusal.status in REFUSED:
                self.refused(endpoint, str(refusal.status))
            else:
                self._strike()
            raise
        except (aiohttp.ClientError, TimeoutError):
            self._strike()
            raise
        return LinkSocket(self, connection, endpoint)

    def _strike(self) -> None:
        self._strikes += 1
        if self._strikes < STRIKES_MAX:
            return
        if self.gives_up:
            self._left.clear()
            self.on_failed()
        elif len(self._left) > 1:
            next_one = (self._left.index(self.endpoint) + 1) % len(self._left)
            self._take(self._left[next_one])

    def _take(self, endpoint: Endpoint) -> None:
        log.warning("provider_changed", provider=endpoint.provider, model=endpoint.model)
        self.endpoint, self._strikes = endpoint, 0


@dataclass(slots=True, eq=False)
class LinkSocket:
    """What the plugin uses of a WebSocket."""

    link: ProviderLink
    connection: Connection
    endpoint: Endpoint
    is_over: bool = False
    _has_sent_audio: bool = False
    _is_left: bool = False

    async def send_str(self, text: str) -> None:
        if text.endswith(_APPEND_END):
            await self._send_audio(text)
        else:
            await self.connection.send_str(self._own_model(text))

    async def receive(self) -> aiohttp.WSMessage:
        message = await self.connection.receive()
        if message.type in _GONE:
            self._end()
        elif message.type is aiohttp.WSMsgType.TEXT and len(message.data) < ERROR_CHARS_MAX:
            code = fatal_code(message.data)
            if code:
                self._is_left = True
                self.link.refused(self.endpoint, code)
                self.link.on_lost()
                self.leave()
                return aiohttp.WSMessage(aiohttp.WSMsgType.CLOSED, None, None)
        return message

    async def close(self) -> None:
        self.is_over = True
        await asyncio.wait([self.link.later(self.connection.close())], timeout=CLOSE_MAX_S)

    def leave(self) -> None:
        """`receive` tells the plugin at once that this connection is over; it dials again."""
        self._is_left = True
        self.link.later(self.connection.close())

    def _end(self) -> None:
        if not self.is_over and not self._is_left:
            self.link.lost(self.endpoint)
        self.is_over = True

    async def _send_audio(self, text: str) -> None:
        before = () if self._has_sent_audio else self.link.unheard.chunks()
        self.link.unheard.add(text)
        self._has_sent_audio = True
        for chunk in before:
            await self.connection.send_str(chunk)
        await self.connection.send_str(text)

    def _own_model(self, text: str) -> str:
        """The plugin speaks of the first endpoint's model and voice."""
        if self.endpoint is self.link.endpoints[0] or '"session.update"' not in text:
            return text
        event = json.loads(text)
        session = event["session"]
        if "model" in session:
            session["model"] = self.endpoint.model
        output = (session.get("audio") or {}).get("output") or {}
        if "voice" in output:
            output["voice"] = self.endpoint.voice
        return json.dumps(event)


def fatal_code(text: str) -> str | None:
    """The code of a provider's error that no new session would change."""
    if not any(code in text for code in FATAL_CODES):
        return None
    try:
        event = _fields(json.loads(text))
    except (ValueError, RecursionError):
        return None
    answer = _fields(event.get("response"))
    error = event.get("error") or _fields(answer.get("status_details")).get("error")
    named = (error, _fields(error).get("code"), _fields(error).get("type"))
    return next((code for code in FATAL_CODES if code in named), None)


def _fields(value: Any) -> dict[str, Any]:
    """Empty where a provider sent something else than an object."""
    return value if isinstance(value, dict) else {}
