"""
Addresses of objects for a limited time.

A bucket signs its own (`BucketLinks`). For a folder we sign and answer ourselves (`FolderLinks` and
`routes/audio_links.py`): HMAC-SHA256 over key, end and media type, so that a link to one audio
says nothing about another, cannot be prolonged, and cannot be made to look like a page.
"""

import hashlib
import hmac
from datetime import timedelta
from typing import Final, Protocol
from urllib.parse import urlencode

import obstore
from obstore.store import S3Store

from control_plane.objects.keys import checked
from shared.clock import Clock

LINK_PATH: Final = "/api/audio"
EXPIRES_IN_S_MAX: Final = 7 * 24 * 3600  # the longest that S3 signs for
_PURPOSE: Final = b"audio-link-v1"  # the secret's signatures mean nothing anywhere else


class Links(Protocol):
    async def link(self, key: str, *, expires_in_s: int, media_type: str) -> str: ...


class LinkSignature:
    """Makes and checks the signature of one link."""

    def __init__(self, secret: str) -> None:
        self._secret = secret.encode()

    def of(self, key: str, *, expires: int, media_type: str) -> str:
        """In hexadecimal; `expires` is in seconds since 1970."""
        # No part can hold a line break, so no two links sign the same bytes.
        signed = b"\n".join((_PURPOSE, key.encode(), str(expires).encode(), media_type.encode()))
        return hmac.new(self._secret, signed, hashlib.sha256).hexdigest()

    def is_valid(self, signature: str, *, key: str, expires: int, media_type: str) -> bool:
        """Whether we made it; takes the same time for every wrong one."""
        ours = self.of(key, expires=expires, media_type=media_type)
        return hmac.compare_digest(ours.encode(), signature.encode())


class FolderLinks:
    """Links that our own route answers."""

    def __init__(self, signature: LinkSignature, *, public_url: str, clock: Clock) -> None:
        self._signature = signature
        self._public_url = public_url
        self._clock = clock

    async def link(self, key: str, *, expires_in_s: int, media_type: str) -> str:
        expires = int(self._clock.now().timestamp()) + _bounded(expires_in_s)
        signature = self._signature.of(checked(key), expires=expires, media_type=media_type)
        query = urlencode({"expires": expires, "type": media_type, "signature": signature})
        return f"{self._public_url}{LINK_PATH}/{key}?{query}"


class BucketLinks:
    """Presigned by the bucket's own key; the media type was stored with the object."""

    def __init__(self, store: S3Store) -> None:
        self._store = store

    async def link(self, key: str, *, expires_in_s: int, media_type: str) -> str:  # noqa: ARG002 - Links
        lasting = timedelta(seconds=_bounded(expires_in_s))
        return await obstore.sign_async(self._store, "GET", checked(key), lasting)


def _bounded(expires_in_s: int) -> int:
    if not 0 < expires_in_s <= EXPIRES_IN_S_MAX:
        raise ValueError(f"a link lasts 1 to {EXPIRES_IN_S_MAX} seconds")
    return expires_in_s
