"""What a store of objects does, on a disk or in S3."""

from collections.abc import AsyncIterator, Sequence
from typing import Protocol

from shared.errors import NotFound, Unavailable


class ObjectGone(NotFound):
    """This audio does not exist any more"""

    code = "audio_gone"


class StorageAway(Unavailable):
    """Storage is not available, please retry"""

    code = "storage_unavailable"


class ObjectStore(Protocol):
    """
    Keys are ours (`speech/ab/abcdef….wav`), never made from what a client sent.

    Raises StorageAway, and ObjectGone where something is read.
    """

    async def put(self, key: str, data: bytes, *, media_type: str) -> None: ...

    async def read(self, key: str) -> bytes: ...

    def stream(self, key: str) -> AsyncIterator[bytes]: ...

    async def delete(self, keys: Sequence[str]) -> None:
        """What is not there is deleted already."""
        ...

    async def link(self, key: str, *, expires_in_s: int, media_type: str) -> str:
        """An address anybody can fetch the object from, until then."""
        ...
