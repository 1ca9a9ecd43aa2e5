"""
The store of objects over obstore, the same for a folder and for a bucket.

A write is all or nothing: obstore writes a folder's object beside its place and renames it. It does
not wait for the disk: a power cut may lose the last seconds of a folder, a killed process nothing.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Final

import obstore
from obstore.exceptions import BaseError, NotFoundError
from obstore.store import ObjectStore as Store

from control_plane.objects.keys import checked
from control_plane.objects.links import Links
from control_plane.objects.port import ObjectGone, StorageAway
from shared.log import get_logger

log = get_logger(__name__)

OPERATION_TIMEOUT_S: Final = 20.0  # 30 MB at 2 MB/s, with one retry
AWAY_RETRY_AFTER_S: Final = 5
STREAM_PIECE_BYTES: Final = 256 * 1024  # of audio on its way through our memory
DELETIONS_AT_ONCE: Final = 8


class KeptObjects:
    """An ObjectStore (see `port.py`)."""

    def __init__(self, store: Store, links: Links, *, keeps_media_type: bool) -> None:
        self._store = store
        self._links = links
        self._keeps_media_type = keeps_media_type

    async def put(self, key: str, data: bytes, *, media_type: str) -> None:
        attributes = {"Content-Type": media_type} if self._keeps_media_type else None
        try:
            async with _in_time():
                # One request: an upload in parts that dies half-way leaves parts that cost money.
                await obstore.put_async(
                    self._store, checked(key), data, attributes=attributes, use_multipart=False
                )
        except ObjectGone:  # the bucket itself is not there
            raise StorageAway(retry_after_s=AWAY_RETRY_AFTER_S) from None

    async def read(self, key: str) -> bytes:
        async with _in_time():
            found = await obstore.get_async(self._store, checked(key))
            return bytes(await found.bytes_async())

    async def stream(self, key: str) -> AsyncGenerator[bytes, None]:
        async with _in_time():
            found = await obstore.get_async(self._store, checked(key))
        pieces = aiter(found.stream(min_chunk_size=STREAM_PIECE_BYTES))
        while True:
            async with _in_time():
                piece = await anext(pieces, None)
            if piece is None:
                return
            yield bytes(piece)

    async def delete(self, keys: Sequence[str]) -> None:
        places = asyncio.Semaphore(DELETIONS_AT_ONCE)

        async def delete_one(key: str) -> None:
            try:
                async with places, _in_time():
                    await obstore.delete_async(self._store, key)
            except ObjectGone:
                return

        wanted = [checked(key) for key in keys]
        await asyncio.gather(*map(delete_one, wanted))

    async def link(self, key: str, *, expires_in_s: int, media_type: str) -> str:
        with _translated():
            return await self._links.link(key, expires_in_s=expires_in_s, media_type=media_type)


@asynccontextmanager
async def _in_time() -> AsyncIterator[None]:
    """Raises ObjectGone and StorageAway in place of what a storage raises, late ones included."""
    with _translated():
        async with asyncio.timeout(OPERATION_TIMEOUT_S):
            yield


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except (NotFoundError, FileNotFoundError):
        raise ObjectGone from None
    except (BaseError, OSError) as error:  # TimeoutError is an OSError
        # Never its text, which carries addresses and keys.
        log.warning("storage_failed", dependency="objects", error=type(error).__name__)
        raise StorageAway(retry_after_s=AWAY_RETRY_AFTER_S) from None
