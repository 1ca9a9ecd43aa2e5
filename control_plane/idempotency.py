"""
`Idempotency-Key`: the same request with the same key is answered once, and paid for once.

    return await answered_once(services, request, owner=user_id, body=body, produce=produce)

`produce` gets the key of its charge. A run after a crash gets the same one again, so whatever was
held or paid is found; a new one comes only after that charge's hold was given back. It is for one
charge: work that makes several must keep its own account of them.
"""

import asyncio
import hashlib
import math
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable
from typing import Final, Protocol
from uuid import UUID

import asyncpg
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from billing.generation_charges import KeyReused
from control_plane.background import Background
from control_plane.errors import Throttled
from control_plane.http_errors import DATABASE_AWAY, status_of
from control_plane.objects.port import ObjectGone, ObjectStore
from control_plane.store import idempotency as store
from control_plane.store.idempotency import Claim
from shared import metrics
from shared.db import Pool, Tx, transaction
from shared.errors import AppError, Invalid
from shared.ids import new_uuid
from shared.log import get_logger

log = get_logger(__name__)

HEADER: Final = "idempotency-key"
REPLAYED: Final = "Idempotent-Replayed"
KEY_CHARS_MAX: Final = 255  # as Stripe's
KEPT_S: Final = 24 * 3_600  # how long an answer is given again
KEPT_BYTES_MAX: Final = 64 * 1024  # JSON; audio is kept as the key of its object
ROUTE_CHARS_MAX: Final = 200  # for who reads the table; the digest covers all of it
LEASE_S: Final = 20.0  # how long a crash makes a retry wait
RENEWALS_A_LEASE: Final = 4
WORK_MAX_S: Final = 3_600.0  # a lease nobody ends, such as of an answer nobody fetches
RETRY_AFTER_S: Final = 2
PURGE_BATCH: Final = 2_000
_FIRST_ERROR: Final = 400
_FIRST_SERVER_ERROR: Final = 500

# The same request may succeed later: its key stays with it. What else is refused frees the key.
_WORTH_A_RETRY: Final = frozenset({402, 408, 409, 425, 429, 499})

# Made anew for every answer.
_NOT_KEPT: Final = frozenset(
    "content-length date set-cookie transfer-encoding request-id x-request-id".split()
)

Produce = Callable[[str], Awaitable[Response]]


class Desk(Protocol):
    """What is needed of the services."""

    @property
    def pool(self) -> Pool: ...
    @property
    def objects(self) -> ObjectStore: ...
    @property
    def background(self) -> Background: ...


class RequestInProgress(Throttled):
    """The first request with this idempotency key is still being worked on"""

    code = "idempotency_in_progress"

    def __init__(self) -> None:
        super().__init__(retry_after_s=RETRY_AFTER_S)


def is_kept_as(response: Response, object_key: str) -> Response:
    """Its body is this object: what is given again, however large. May be said while it streams."""
    vars(response)["object_key"] = object_key
    return response


async def answered_once(
    services: Desk,
    request: Request,
    *,
    owner: UUID,
    body: bytes,
    produce: Produce,
    lease_s: float = LEASE_S,
) -> Response:
    """
    What `produce` answers, or what it answered before. Without the header it always runs.

    `body` is what makes the request; of a form, its fields and files without the random boundary.
    Raises Invalid (the key), KeyReused, RequestInProgress, ObjectGone, and what `produce` raises.
    """
    key = idempotency_key(request)
    if key is None:
        return await produce(str(new_uuid()))
    route = f"{request.method} {request.url.path}"
    async with transaction(services.pool) as tx:
        claim = await store.claim(
            tx,
            owner=owner,
            key=key,
            new_id=new_uuid(),
            route=route[:ROUTE_CHARS_MAX],
            request_sha256=_digest(route, request.url.query, body),
            lease_s=lease_s,
            ttl_s=KEPT_S,
        )
    metrics.IDEMPOTENT_REQUESTS.labels(claim.outcome).inc()
    if claim.outcome == "reused":
        raise KeyReused
    if claim.outcome == "running":
        raise RequestInProgress
    if claim.outcome == "done":
        return await _again(claim, services.objects)
    return await _Run(services, owner, key, claim, lease_s).answer(produce)


def idempotency_key(request: Request) -> str | None:
    """None without the header. Raises Invalid unless it is 1 to 255 printable ASCII characters."""
    keys = request.headers.getlist(HEADER)
    if not keys:
        return None
    key = keys[0]
    is_good = len(keys) == 1 and 0 < len(key) <= KEY_CHARS_MAX
    if not (is_good and key.isascii() and key.isprintable()):
        raise Invalid(
            f"Idempotency-Key must be 1 to {KEY_CHARS_MAX} printable ASCII characters",
            param=HEADER,
        )
    return key


async def purge_answers(pool: Pool) -> int:
    """Forget what has expired, for the jobs; returns how many there were."""
    total = 0
    while True:
        async with transaction(pool) as tx:
            purged = await store.purge(tx, limit=PURGE_BATCH)
        total += purged
        if purged < PURGE_BATCH:
            return total


class _Run:
    """One attempt at an answer, by who holds the lease."""

    def __init__(self, services: Desk, owner: UUID, key: str, claim: Claim, lease_s: float) -> None:
        assert claim.run is not None, "the one who runs has a number"
        self._services = services
        self._owner = owner
        self._key = key
        self._run = claim.run
        self._lease_s = lease_s
        self._charge_key = f"{claim.id}#{claim.attempt}"
        self._renewing = asyncio.create_task(self._keep_lease())

    async def answer(self, produce: Produce) -> Response:
        try:
            response = await produce(self._charge_key)
        except AppError as refused:
            await self._end(status_of(refused))
            raise
        except BaseException:  # a bug, or nobody wants the answer any more
            self._give_up()
            raise
        if isinstance(response, StreamingResponse):
            response.body_iterator = self._watched(response, response.body_iterator)
        else:
            await self._end(response.status_code, response, bytes(response.body))
        return response

    async def _watched(
        self, response: StreamingResponse, chunks: AsyncIterable[str | bytes | memoryview]
    ) -> AsyncIterator[bytes]:
        """The same chunks; the answer is kept when the last one was taken."""
        seen = bytearray()
        is_whole = False
        try:
            async for chunk in chunks:
                data = chunk.encode(response.charset) if isinstance(chunk, str) else bytes(chunk)
                if len(seen) <= KEPT_BYTES_MAX:
                    seen += data
                yield data
            is_whole = True
        finally:
            if not is_whole:
                self._give_up()
        await self._end(response.status_code, response, bytes(seen))

    async def _end(self, status: int, response: Response | None = None, body: bytes = b"") -> None:
        """Keep the answer, or leave the key as a retry needs it; failing costs only the replay."""
        self._renewing.cancel()
        try:
            async with transaction(self._services.pool) as tx:
                await self._end_in(tx, status, response, body)
        except (*DATABASE_AWAY, asyncpg.PostgresError) as error:
            log.warning("answer_not_kept", exc_info=error)

    async def _end_in(self, tx: Tx, status: int, response: Response | None, body: bytes) -> None:
        if _FIRST_ERROR <= status < _FIRST_SERVER_ERROR and status not in _WORTH_A_RETRY:
            await store.forget(tx, owner=self._owner, key=self._key, run=self._run)
            return
        object_key = vars(response).get("object_key") if response else None
        if response is None or status >= _FIRST_ERROR:
            await store.reopen(tx, owner=self._owner, key=self._key, run=self._run)
        elif object_key is None and len(body) > KEPT_BYTES_MAX:
            # A retry runs again, with the same charge: whoever paid finds what was made.
            await store.reopen(tx, owner=self._owner, key=self._key, run=self._run)
        else:
            await store.keep(
                tx,
                owner=self._owner,
                key=self._key,
                run=self._run,
                status=status,
                headers={k: v for k, v in response.headers.items() if k not in _NOT_KEPT},
                body=None if object_key else body,
                object_key=object_key,
            )

    def _give_up(self) -> None:
        """Not awaited: this may be a cancellation. What is dropped ends with its lease."""
        self._services.background.start(
            self._end(_FIRST_SERVER_ERROR), kind="reopen_idempotent_request"
        )

    async def _keep_lease(self) -> None:
        period_s = self._lease_s / RENEWALS_A_LEASE
        for _ in range(math.ceil(WORK_MAX_S / period_s)):
            await asyncio.sleep(period_s)
            try:
                async with transaction(self._services.pool) as tx:
                    is_ours = await store.renew(
                        tx,
                        owner=self._owner,
                        key=self._key,
                        run=self._run,
                        lease_s=self._lease_s,
                    )
            except DATABASE_AWAY as error:
                log.warning("lease_not_renewed", exc_info=error)
                continue
            if not is_ours:
                log.warning("idempotent_run_overtaken")
                return


async def _again(claim: Claim, objects: ObjectStore) -> Response:
    """The kept answer. Raises ObjectGone when its audio was deleted since."""
    assert claim.status is not None, "an answer"
    headers = {**(claim.headers or {}), REPLAYED: "true"}
    if claim.object_key is None:
        return Response(claim.body, status_code=claim.status, headers=headers)
    chunks = aiter(objects.stream(claim.object_key))
    try:
        first = await anext(chunks)  # an error must come before the status is sent
    except StopAsyncIteration:
        raise ObjectGone from None

    async def all_chunks() -> AsyncIterator[bytes]:
        yield first
        async for chunk in chunks:
            yield chunk

    return StreamingResponse(all_chunks(), status_code=claim.status, headers=headers)


def _digest(route: str, query: str, body: bytes) -> bytes:
    """SHA-256 over the parts, each with its length before it."""
    digest = hashlib.sha256()
    for part in (route.encode(), query.encode(), body):
        digest.update(len(part).to_bytes(8, "big") + part)
    return digest.digest()
