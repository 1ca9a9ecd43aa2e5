"""
The public keys of the session issuer, fetched over HTTP and kept for a while.

A key that the issuer withdraws is refused after at most KEEP_S. While the issuer is away, known
keys are believed for STALE_S. A flood of tokens with made-up key ids causes one request per 30 s.
"""

import asyncio
import json
from typing import Any, Final

import httpx2
import jwt

from shared.clock import Clock
from shared.errors import Unavailable
from shared.log import get_logger

log = get_logger(__name__)

KEEP_S: Final = 600.0
STALE_S: Final = 3_600.0
REFRESH_PAUSE_S: Final = 30.0
FETCH_TIMEOUT_S: Final = 3.0
ANSWER_BYTES_MAX: Final = 64 * 1024  # big issuers publish about 5 keys of 1 KB
KEYS_MAX: Final = 32

# What a body that is no key set raises; the last one when it is nested without end.
_GARBAGE: Final = (ValueError, jwt.PyJWTError, RecursionError)


class KeySet:
    """The keys by their id. Any number of requests at once cause one fetch."""

    def __init__(self, url: str, client: httpx2.AsyncClient, clock: Clock) -> None:
        self._url = url
        self._client = client
        self._clock = clock
        self._fetching = asyncio.Lock()
        self._keys: dict[str | None, jwt.PyJWK] = {}
        self._fetched_at: float | None = None
        self._tried_at: float | None = None

    async def find(self, key_id: object) -> jwt.PyJWK | None:
        """
        The key; None when the issuer does not know it. A token without a key id gets the only key.

        Raises Unavailable when there is no usable answer of the issuer.
        """
        if (key := self._lookup(key_id)) and self._younger_than(KEEP_S):
            return key
        async with self._fetching:
            if not (self._lookup(key_id) and self._younger_than(KEEP_S)) and self._may_try():
                await self._refresh()
        if self._younger_than(STALE_S):
            return self._lookup(key_id)
        raise Unavailable("Sessions cannot be checked at the moment")

    def _lookup(self, key_id: object) -> jwt.PyJWK | None:
        if key_id is None and len(self._keys) == 1:
            return next(iter(self._keys.values()))
        return self._keys.get(key_id) if isinstance(key_id, str) else None

    def _younger_than(self, age_s: float) -> bool:
        return self._fetched_at is not None and self._clock.monotonic() - self._fetched_at < age_s

    def _may_try(self) -> bool:
        return self._tried_at is None or self._clock.monotonic() - self._tried_at >= REFRESH_PAUSE_S

    async def _refresh(self) -> None:
        self._tried_at = self._clock.monotonic()
        try:
            async with asyncio.timeout(FETCH_TIMEOUT_S):
                self._keys = _parse(await self._fetch())
        except (httpx2.HTTPError, TimeoutError, *_GARBAGE) as error:
            log.warning("session_keys_not_fetched", dependency="jwks", exc_info=error)
            return
        self._fetched_at = self._clock.monotonic()

    async def _fetch(self) -> bytes:
        """The answer's body. Raises ValueError when it is not 200 or too long."""
        body = bytearray()
        async with self._client.stream("GET", self._url, follow_redirects=False) as response:
            if response.status_code != httpx2.codes.OK:
                raise ValueError("not a key set")
            async for chunk in response.aiter_bytes():
                body += chunk
                if len(body) > ANSWER_BYTES_MAX:
                    raise ValueError("key set too long")
        return bytes(body)


def _parse(body: bytes) -> dict[str | None, jwt.PyJWK]:
    """The keys we can use; others are skipped. Raises ValueError when it is no key set."""
    answer = json.loads(body)
    match answer:
        case {"keys": list(entries)}:
            return dict(filter(None, map(_usable_key, entries[:KEYS_MAX])))
    raise ValueError("no keys in it")


def _usable_key(entry: Any) -> tuple[str | None, jwt.PyJWK] | None:
    if not isinstance(entry, dict) or entry.get("use", "sig") != "sig":
        return None
    key_id = entry.get("kid")
    algorithm = _algorithm_of(entry)
    if algorithm is None or not isinstance(key_id, str | None):
        return None
    try:
        return key_id, jwt.PyJWK.from_dict(entry, algorithm=algorithm)
    except (jwt.PyJWTError, ValueError, TypeError):  # numbers that are no numbers
        return None


def _algorithm_of(entry: dict[str, Any]) -> str | None:
    """What a key may be used for follows from the key alone; None when that is nothing for us."""
    match entry:
        case {"kty": "RSA"}:
            algorithm = "RS256"
        case {"kty": "EC", "crv": "P-256"}:
            algorithm = "ES256"
        case {"kty": "OKP", "crv": "Ed25519"}:
            algorithm = "EdDSA"
        case _:
            return None
    return algorithm if entry.get("alg", algorithm) == algorithm else None
