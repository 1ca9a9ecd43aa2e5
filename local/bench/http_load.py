"""
A load generator as small as it can be: keep-alive connections that write prepared requests.

It shares the machine with what it measures, so every microsecond it spends is the server's loss; an
HTTP client library would be most of the cost.
"""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from shared.clock import SystemClock

_CLOCK = SystemClock()
_HEAD_END = b"\r\n\r\n"


@dataclass(frozen=True, slots=True)
class LoadResult:
    """Latencies in milliseconds, of every request that was answered."""

    requests: int
    failed: int
    duration_s: float
    latencies_ms: list[float]

    @property
    def per_second(self) -> float:
        return self.requests / self.duration_s

    def quantile_ms(self, share: float) -> float:
        ordered = sorted(self.latencies_ms) or [0.0]
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def request_bytes(
    method: str, path: str, *, body: bytes = b"", headers: dict[str, str] | None = None
) -> bytes:
    """One HTTP/1.1 request, ready to be written."""
    lines = [f"{method} {path} HTTP/1.1", "host: bench", f"content-length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    return "\r\n".join(lines).encode() + _HEAD_END + body


async def run_load(
    *,
    port: int,
    connections: int,
    duration_s: float,
    requests_of: Callable[[int], Iterator[bytes]],
) -> LoadResult:
    """Drive `connections` closed loops against loopback; connection n sends `requests_of(n)`."""
    until_s = _CLOCK.monotonic() + duration_s
    began_s = _CLOCK.monotonic()
    loops = [_one_loop(port, requests_of(n), until_s) for n in range(connections)]
    parts = await asyncio.gather(*loops)
    latencies = [ms for part in parts for ms in part[0]]
    return LoadResult(
        requests=len(latencies),
        failed=sum(part[1] for part in parts),
        duration_s=_CLOCK.monotonic() - began_s,
        latencies_ms=latencies,
    )


async def _one_loop(
    port: int, requests: Iterator[bytes], until_s: float
) -> tuple[list[float], int]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    latencies: list[float] = []
    failed = 0
    try:
        for request in requests:
            began_s = _CLOCK.monotonic()
            if began_s >= until_s:
                break
            writer.write(request)
            head = await reader.readuntil(_HEAD_END)
            await reader.readexactly(_content_length(head))
            latencies.append((_CLOCK.monotonic() - began_s) * 1000)
            failed += not head.startswith(b"HTTP/1.1 2")
    finally:
        writer.close()
    return latencies, failed


def _content_length(head: bytes) -> int:
    lowered = head.lower()
    at = lowered.index(b"content-length:") + len(b"content-length:")
    return int(lowered[at : lowered.index(b"\r\n", at)])
