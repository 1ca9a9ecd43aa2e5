"""
A counter that answers requests once, on a real database, with real charges.

    python -m tests.integration.idempotent_desk DSN USER KEY held|settled

holds (and settles) a charge for one request, says so, and waits to be killed.
"""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from uuid import UUID

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from billing import generation_charges as charges
from control_plane.background import Background
from control_plane.idempotency import answered_once
from control_plane.objects.port import ObjectGone
from shared.db import Pool, open_pool, transaction
from shared.settings import PostgresSettings

BODY = b'{"text": "Hello"}'


class Shelf:
    """Objects in memory; as much of a store as a replay needs."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}

    async def put(self, key: str, data: bytes, *, media_type: str) -> None:
        assert media_type
        self.objects[key] = data

    async def read(self, key: str) -> bytes:
        return self.objects[key]

    async def stream(self, key: str) -> AsyncIterator[bytes]:
        if key not in self.objects:
            raise ObjectGone
        for start in range(0, len(self.objects[key]), 65_536):
            yield self.objects[key][start : start + 65_536]

    async def delete(self, keys: object) -> None:
        raise NotImplementedError

    async def link(self, key: str, *, expires_in_s: int, media_type: str) -> str:
        raise NotImplementedError


@dataclass
class Counter:
    """What `answered_once` needs, and what the work has done so far."""

    pool: Pool
    background: Background = field(default_factory=Background)
    objects: Shelf = field(default_factory=Shelf)
    charge_keys: list[str] = field(default_factory=list)

    async def ask(
        self,
        owner: UUID,
        key: str | None,
        *,
        body: bytes = BODY,
        path: str = "/api/generate-voice",
        answer: Response | BaseException | None = None,
        lease_s: float = 20.0,
    ) -> Response:
        """One request; `answer` is what the work comes to, by default JSON with a number."""

        async def produce(charge_key: str) -> Response:
            self.charge_keys.append(charge_key)
            await asyncio.sleep(0)
            if isinstance(answer, BaseException):
                raise answer
            return answer or JSONResponse({"run": len(self.charge_keys)}, headers={"x-cost": "5"})

        return await answered_once(
            self,
            request_with(key, path=path),
            owner=owner,
            body=body,
            produce=produce,
            lease_s=lease_s,
        )

    async def pay(
        self, owner: UUID, key: str, *, settle: bool = True, lease_s: float = 20.0
    ) -> Response:
        """One request whose work is a charge, found again by its key."""

        async def produce(charge_key: str) -> Response:
            self.charge_keys.append(charge_key)
            async with transaction(self.pool) as tx:
                held = await charges.reserve(
                    tx,
                    user_id=owner,
                    idempotency_key=charge_key,
                    request_sha256=bytes(32),
                    product="speech",
                    model="local",
                    quantity_max=100,
                )
            if settle:
                async with transaction(self.pool) as tx:
                    await charges.settle(tx, charge_id=held.charge.id, quantity=60)
            return await self.paid(held.charge.id)

        return await answered_once(
            self, request_with(key), owner=owner, body=BODY, produce=produce, lease_s=lease_s
        )

    async def paid(self, charge_id: UUID) -> Response:
        return JSONResponse({"charge": str(charge_id)})

    async def debits(self) -> list[int]:
        rows = await self.pool.fetch(
            "select amount from credit_transactions where kind = 'generation'"
        )
        return [row["amount"] for row in rows]


class DyingCounter(Counter):
    """Gets no further than its charge."""

    async def paid(self, charge_id: UUID) -> Response:
        print("here", flush=True)
        await asyncio.Event().wait()
        raise AssertionError(charge_id)


def request_with(key: str | None, *, path: str = "/api/generate-voice") -> Request:
    headers = [] if key is None else [(b"idempotency-key", key.encode("latin-1"))]
    return Request(
        {
            "type": "http",
            "method": "POST",
            "path": path,
            "query_string": b"",
            "headers": headers,
            "server": ("web.test", 80),
            "scheme": "http",
        }
    )


@asynccontextmanager
async def open_counter(dsn: str, kind: type[Counter] = Counter) -> AsyncIterator[Counter]:
    settings = PostgresSettings.model_validate({"database_url": dsn, "database_pool_max": 20})
    pool = await open_pool(settings, application_name="tests")
    counter = kind(pool)
    try:
        yield counter
    finally:
        await counter.background.close()
        await pool.close()


async def _die_at(dsn: str, user: str, key: str, place: str) -> None:
    async with open_counter(dsn, DyingCounter) as counter:
        await counter.pay(UUID(user), key, settle=place == "settled", lease_s=1.0)


if __name__ == "__main__":
    asyncio.run(_die_at(*sys.argv[1:5]))
