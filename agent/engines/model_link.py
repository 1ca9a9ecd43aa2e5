"""
The way to one model behind a REST API, as one that does not fail for a moment.

The plugins would give a question up after an attempt or two, and with a recognition the caller's
words. Here a question is asked until it is answered or nobody waits for the answer any more; the
call decides how long that may take. A question that is not answered in time stops the clock, and
what no further attempt would change is told at once.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

import httpx2

from agent.engines.provider_link import FATAL_CODES, REFUSED, STRIKES_MAX
from agent.engines.reach import Reach
from shared.log import get_logger

log = get_logger(__name__)

SLOW_S = 3.0  # without a piece of an answer, and the caller does not pay any more
ATTEMPT_MAX_S = 8.0  # then the same is asked again, on another connection
AGAIN_S = (0.1, 0.5, 1.0)  # between attempts; the last for all that follow
ATTEMPTS_MAX = 100
ERROR_BYTES_MAX = 16_384
REJECTED = (400, 404, 422)  # the question itself is wrong
_PASSING = (408, 409, 425, 429)
_SERVER_ERROR = 500
CONNECT_MAX_S = 4.0
_KEPT_S = 120.0  # an idle connection: callers think before they speak, and TLS takes its time
_OF_THE_BODY = (b"content-length", b"content-encoding", b"transfer-encoding")

Prepare = Callable[[bytes], bytes]
Amend = Callable[[bytes], bytes | None]


@dataclass(slots=True)
class Answer:
    """`first`: a piece of its body, or all of it where nothing is streamed."""

    response: httpx2.Response
    pieces: AsyncIterator[bytes]
    first: bytes


class ModelLink(httpx2.AsyncBaseTransport):
    """
    A transport for one model's client.

    `prepare` has the first say about a question's body; `amend` changes it when it was rejected, or
    gives up with None. `resumes`: an answer that breaks off is asked for again and goes on where it
    stopped, which is right where the same question has the same answer: for sound.
    """

    def __init__(
        self,
        reach: Reach,
        *,
        prepare: Prepare = bytes,
        amend: Amend = lambda _body: None,
        resumes: bool = False,
        attempt_max_s: float = ATTEMPT_MAX_S,
    ) -> None:
        self.reach = reach
        self.resumes = resumes
        self.attempt_max_s = attempt_max_s
        self._prepare = prepare
        self._amend = amend
        self._wire = httpx2.AsyncHTTPTransport(
            limits=httpx2.Limits(
                max_connections=10, max_keepalive_connections=10, keepalive_expiry=_KEPT_S
            )
        )

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """The answer, whose body may still be coming. Raises TransportError in the end."""
        question = object()
        self.reach.ask(question)
        try:
            await request.aread()
            request = self._with_body(request, self._prepare(request.content))
            answer = await self.ask(request, question)
        except BaseException:  # a cancelled question is one nobody waits for
            self.reach.end(question)
            raise
        status, headers = answer.response.status_code, answer.response.headers
        if _is_whole(answer.response):
            self.reach.end(question)
            return httpx2.Response(status, headers=_plain(headers), content=answer.first)
        body = Body(self, request, question, answer)
        return httpx2.Response(status, headers=headers, stream=body)

    async def ask(self, request: httpx2.Request, question: object) -> Answer:
        """The answer, or an error that no further attempt would change. Raises TransportError."""
        for attempt in range(ATTEMPTS_MAX):
            try:
                answer = await self._attempt(request, question)
            except (httpx2.TransportError, TimeoutError) as problem:
                log.info("model_unreachable", path=request.url.path, error=type(problem).__name__)
            else:
                if answer.response.is_success:
                    self.reach.calm(question)
                    return answer
                amended = self._judge(request, answer)
                if amended is None:
                    return answer
                request = amended
            self.reach.trouble(question)
            if self.reach.gives_up and attempt + 1 >= STRIKES_MAX:
                self.reach.on_refused("unreachable")
                break
            await asyncio.sleep(AGAIN_S[min(attempt, len(AGAIN_S) - 1)])
        raise httpx2.ConnectError("no answer", request=request)

    async def aclose(self) -> None:
        await self._wire.aclose()

    async def _attempt(self, request: httpx2.Request, question: object) -> Answer:
        slow = asyncio.get_running_loop().call_later(SLOW_S, self.reach.trouble, question)
        try:
            async with asyncio.timeout(self.attempt_max_s):
                response = await self._wire.handle_async_request(request)
                try:
                    return await _begun(response)
                except BaseException:
                    await response.aclose()
                    raise
        finally:
            slow.cancel()

    def _judge(self, request: httpx2.Request, answer: Answer) -> httpx2.Request | None:
        """What to ask next after an error; None: nothing would change it."""
        status = answer.response.status_code
        log.info("model_refused", path=request.url.path, status=status)
        code = fatal_code(status, answer.first)
        if code:
            self.reach.on_refused(code)
            return None
        if status in REJECTED:
            body = self._amend(request.content)
            return None if body is None else self._with_body(request, body)
        return request if status in _PASSING or status >= _SERVER_ERROR else None

    def _with_body(self, request: httpx2.Request, body: bytes) -> httpx2.Request:
        """The same with this body, and our limits of time in the place of the plugin's."""
        limit_s = self.attempt_max_s
        limits = {"connect": CONNECT_MAX_S, "read": limit_s, "write": limit_s, "pool": limit_s}
        extensions: dict[str, Any] = {**request.extensions, "timeout": limits}
        return httpx2.Request(
            request.method,
            request.url,
            headers=_plain(request.headers),
            content=body,
            extensions=extensions,
        )


class Body(httpx2.AsyncByteStream):
    """What comes of one answer. Trouble with it is trouble with the question."""

    def __init__(
        self, link: ModelLink, request: httpx2.Request, question: object, answer: Answer
    ) -> None:
        self._link, self._request, self._question = link, request, question
        self._answer = answer
        self._given = 0  # bytes

    async def __aiter__(self) -> AsyncIterator[bytes]:
        piece = self._answer.first
        while True:
            self._given += len(piece)
            if piece:
                yield piece
            try:
                piece = await self._next()
            except StopAsyncIteration:
                return
            except (httpx2.TransportError, TimeoutError) as problem:
                log.info("model_broke_off", path=self._request.url.path)
                piece = await self._resume(problem)

    async def aclose(self) -> None:
        self._link.reach.end(self._question)
        await self._answer.response.aclose()

    async def _next(self) -> bytes:
        reach, question = self._link.reach, self._question
        slow = asyncio.get_running_loop().call_later(SLOW_S, reach.trouble, question)
        try:
            async with asyncio.timeout(self._link.attempt_max_s):
                piece = await anext(self._answer.pieces)
        finally:
            slow.cancel()
        reach.calm(question)
        return piece

    async def _resume(self, problem: Exception) -> bytes:
        """The first piece that was not given yet."""
        is_encoded = "content-encoding" in self._answer.response.headers
        await self._answer.response.aclose()
        if not self._link.resumes or is_encoded:
            raise httpx2.ReadError("the answer broke off", request=self._request) from problem
        self._link.reach.trouble(self._question)
        self._answer = await self._link.ask(self._request, self._question)
        if not self._answer.response.is_success:
            raise httpx2.ReadError("the answer broke off", request=self._request) from problem
        piece, skipped = self._answer.first, 0
        while skipped + len(piece) < self._given:
            skipped += len(piece)
            try:
                piece = await self._next()
            except StopAsyncIteration:  # this time it is shorter
                return b""
        return piece[self._given - skipped :]


def fatal_code(status: int, body: bytes) -> str | None:
    """What no further attempt would change: our account with this provider."""
    if status in REFUSED:
        return str(status)
    text = body[:ERROR_BYTES_MAX].decode(errors="replace")
    return next((code for code in FATAL_CODES if f'"{code}"' in text), None)


async def _begun(response: httpx2.Response) -> Answer:
    """With its first piece, or all of it where it is short."""
    assert isinstance(response.stream, httpx2.AsyncByteStream)
    if _is_whole(response):
        return Answer(response, _nothing(), await response.aread())
    pieces = response.stream.__aiter__()
    return Answer(response, pieces, await anext(pieces, b""))


def _is_whole(response: httpx2.Response) -> bool:
    return not response.is_success or "json" in response.headers.get("content-type", "")


async def _nothing() -> AsyncIterator[bytes]:
    return
    yield


def _plain(headers: httpx2.Headers) -> list[tuple[bytes, bytes]]:
    return [(name, value) for name, value in headers.raw if name.lower() not in _OF_THE_BODY]
