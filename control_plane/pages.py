"""
The files of the call page, read from disk and made ready to send.

A file is reachable only when its name is one plain word in one of two known folders, so no spelling
of a path can leave them. Nothing here knows accounts or calls.
"""

import gzip
import hashlib
import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from urllib.parse import urlsplit

MEDIA_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
LIVEKIT_CLIENT = "livekit-client.esm.mjs"
PREPARED_FILES_MAX = 64  # the page has about 25 files; the rest is room for edits while it runs
_PLAIN_NAME = re.compile(r"[a-z0-9][a-z0-9_.-]{0,63}", re.ASCII)


@dataclass(frozen=True, slots=True)
class PageFile:
    """One file as it is sent: `packed` is the same body under gzip, `etag` is weak and quoted."""

    body: bytes
    packed: bytes
    etag: str
    media_type: str


def find_page_file(folder: Path, name: str) -> PageFile | None:
    """The file `name` of `folder`; None when there is none or the name is not a plain one."""
    media_type = MEDIA_TYPES.get(Path(name).suffix)
    if media_type is None or not _PLAIN_NAME.fullmatch(name):
        return None
    path = folder / name
    try:
        if path.is_symlink() or not path.is_file():
            return None
        stat = path.stat()
        return _prepare(path, stat.st_mtime_ns, stat.st_size, media_type)
    except FileNotFoundError:  # replaced while we looked: the next request finds it
        return None


def etag_of(body: bytes) -> str:
    """Weak, so that one tag is right for both encodings; quoted."""
    return f'W/"{hashlib.sha256(body).hexdigest()[:32]}"'


def is_known(etag: str, if_none_match: str) -> bool:
    """Whether the browser has it already, by its header."""
    return etag in {tag.strip() for tag in if_none_match.split(",")}


@lru_cache(maxsize=PREPARED_FILES_MAX)
def _prepare(path: Path, _changed_ns: int, _size: int, media_type: str) -> PageFile:
    """Hashed and packed once for each state of the file; 1.4 MB of livekit-client shrink to 0.3."""
    body = path.read_bytes()
    return PageFile(
        body=body,
        packed=gzip.compress(body, compresslevel=6, mtime=0),
        etag=etag_of(body),
        media_type=media_type,
    )


def page_headers(livekit_url: str) -> dict[str, str]:
    """What a browser may do on our page: our own code, our API and the media server, no more."""
    policy = {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self'",
        "connect-src": " ".join(["'self'", *_media_origins(livekit_url)]),
        "img-src": "'self' data:",
        "media-src": "'self' blob:",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
    }
    return {
        "Content-Security-Policy": "; ".join(f"{name} {value}" for name, value in policy.items()),
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Permissions-Policy": "microphone=(self), autoplay=(self), camera=(), geolocation=()",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
    }


def _media_origins(livekit_url: str) -> list[str]:
    """The WebSocket and HTTP origins of one media server; a path or a query is dropped."""
    parts = urlsplit(livekit_url)
    secure = parts.scheme in ("wss", "https")
    origins = [
        f"{scheme}://{parts.netloc}" for scheme in (("wss", "https") if secure else ("ws", "http"))
    ]
    if (parts.hostname or "").endswith(".livekit.cloud"):
        # the hosted service answers with the address of a region, another host of its domain
        origins += ["wss://*.livekit.cloud", "https://*.livekit.cloud"]
    return origins
