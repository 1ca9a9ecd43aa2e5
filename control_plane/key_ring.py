"""
Checks API keys, thousands a second, and remembers when each was used.

A key is looked up with one statement and believed for BELIEVED_S: within that time a revocation
made through another process, a frozen account or a first purchase is not seen. What spends credit
looks again, in its transaction (`api_keys.take_charge`).
"""

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import asyncpg
from pydantic import SecretStr

from billing.errors import AccountFrozen
from control_plane.api_keys import (
    KEY_FORM,
    ApiCaller,
    ApiKeysNotOffered,
    InvalidApiKey,
    hash_key,
    known_scopes,
)
from control_plane.store import api_keys as store
from control_plane.store.api_keys import LiveKey
from shared.clock import Clock
from shared.db import CONNECT_TIMEOUT_S, Pool, transaction
from shared.ids import UserId
from shared.log import get_logger

log = get_logger(__name__)

BELIEVED_S: Final = 5.0
KEYS_MAX: Final = 10_000  # remembered ones; some MB
USES_MAX: Final = 10_000  # keys whose use is not written yet; a use more is not noted
WRITE_EVERY_S: Final = 5.0  # so that a new key is soon shown as used
NOTED_EVERY_S: Final = 60.0  # `last_used_at` of one key is written at most so often
CLOSE_GRACE_S: Final = 2.0  # when a use was is worth no longer wait at the end

_AWAY: Final = (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError)


@dataclass(frozen=True, slots=True)
class _Known:
    caller: ApiCaller
    key: LiveKey
    until: float


class KeyRing:
    """Without `hmac_secret` no key can be checked, and none is."""

    def __init__(self, pool: Pool, clock: Clock, *, hmac_secret: str | None) -> None:
        self._pool = pool
        self._clock = clock
        self._secret = hmac_secret.encode() if hmac_secret else None
        self._known: OrderedDict[bytes, _Known] = OrderedDict()
        self._asking: dict[bytes, asyncio.Task[_Known | None]] = {}
        self._uses: dict[UUID, datetime] = {}

    @property
    def hmac_secret(self) -> bytes:
        """Raises ApiKeysNotOffered."""
        if self._secret is None:
            raise ApiKeysNotOffered
        return self._secret

    async def check(self, key: str) -> ApiCaller:
        """Raises ApiKeysNotOffered, InvalidApiKey or AccountFrozen."""
        secret = self.hmac_secret
        if not KEY_FORM.fullmatch(key):
            raise InvalidApiKey
        digest = hash_key(key, secret)
        known = self._known.get(digest)
        if known is None or self._clock.monotonic() >= known.until:
            known = await self._ask_once(digest)
        now = self._clock.now()
        if known is None or (known.key.expires_at and known.key.expires_at <= now):
            raise InvalidApiKey
        if known.key.is_frozen:
            raise AccountFrozen
        self._note_use(known.key, now)
        return known.caller

    def forget(self, key_id: UUID) -> None:
        """A key was revoked here: ask again before it is believed."""
        for digest in [digest for digest, one in self._known.items() if one.key.id == key_id]:
            del self._known[digest]

    async def write_uses(self) -> None:
        """Write when keys were last used; what cannot be written now is tried again."""
        if not self._uses:
            return
        uses, self._uses = self._uses, {}
        try:
            async with transaction(self._pool) as tx:
                await store.note_uses(tx, uses, at_least_every_s=NOTED_EVERY_S)
        except BaseException:
            self._uses = {**uses, **self._uses}
            raise

    async def keep_writing_uses(self) -> None:
        """Until cancelled."""
        while True:
            await asyncio.sleep(WRITE_EVERY_S)
            try:
                await self.write_uses()
            except _AWAY:
                log.warning("key_uses_not_written", dependency="postgres")

    async def _ask_once(self, digest: bytes) -> _Known | None:
        """Any number of requests at once with one key cause one look-up."""
        asking = self._asking.get(digest)
        if asking is None:
            asking = asyncio.create_task(self._ask(digest))
            self._asking[digest] = asking
            asking.add_done_callback(lambda task: self._asked(digest, task))
        return await asyncio.shield(asking)

    async def _ask(self, digest: bytes) -> _Known | None:
        began = self._clock.monotonic()  # the answer is as old as the question
        # One statement needs no transaction, which would be two round trips more.
        async with self._pool.acquire(timeout=CONNECT_TIMEOUT_S) as connection:
            key = await store.find_live(connection, digest)
        self._known.pop(digest, None)
        if key is None:
            return None
        caller = ApiCaller(UserId(key.user_id), key.id, known_scopes(key.scopes), key.is_paid)
        known = self._known[digest] = _Known(caller, key, began + BELIEVED_S)
        if len(self._known) > KEYS_MAX:
            self._known.popitem(last=False)
        return known

    def _asked(self, digest: bytes, task: asyncio.Task[_Known | None]) -> None:
        del self._asking[digest]
        if not task.cancelled():
            task.exception()  # seen here, in case everybody who waited has gone away

    def _note_use(self, key: LiveKey, now: datetime) -> None:
        written = key.last_used_at
        if written and now - written < timedelta(seconds=NOTED_EVERY_S):
            return
        if key.id in self._uses or len(self._uses) < USES_MAX:
            self._uses[key.id] = now


@asynccontextmanager
async def open_key_ring(
    pool: Pool, clock: Clock, *, hmac_secret: SecretStr | None
) -> AsyncIterator[KeyRing]:
    """A ring that writes when its keys were used, every few seconds and at the end."""
    secret = hmac_secret.get_secret_value() if hmac_secret else None
    ring = KeyRing(pool, clock, hmac_secret=secret)
    writing = asyncio.create_task(ring.keep_writing_uses())
    try:
        yield ring
    finally:
        writing.cancel()
        try:
            async with asyncio.timeout(CLOSE_GRACE_S):
                await ring.write_uses()
        except _AWAY:
            log.warning("key_uses_not_written", dependency="postgres")
