"""
Speech by REST: what a cache hit costs beside checking a session, and generations a second.

The anchor of a hit is a FastAPI route that only checks the same session JWT (`session_anchor.py`).
Rounds are interleaved in pairs; ratios are medians over pairs, so that what else runs matters less.
"""

import itertools
import json
import statistics
from collections.abc import Iterator
from dataclasses import dataclass

from local.bench.http_load import LoadResult, request_bytes, run_load
from local.bench.speech_stack import SpeechBench

ROUND_S = 2.0
PAIRS = 7
CONNECTIONS = (1, 32)
SOLD_CONNECTIONS = 16
SOLD_ROUNDS = 3
HIT_TEXT = "This is a sentence that has been spoken before, for somebody else."


@dataclass(frozen=True, slots=True)
class Row:
    """`of_anchor`: how many times its anchor's median, the median over pairs; 1 for an anchor."""

    name: str
    per_second: float
    p50_ms: float
    p99_ms: float
    of_anchor: float


async def hits(bench: SpeechBench, anchor_port: int) -> list[Row]:
    """Rows of anchor and hit for each number of connections."""
    body = json.dumps({"text": HIT_TEXT, "voiceId": bench.customer.voice_id}).encode()
    request = request_bytes(
        "POST", "/api/generate-voice", body=body, headers=bench.customer.session_headers
    )
    rows = []
    for connections in CONNECTIONS:
        pairs = [
            (
                await _round(anchor_port, request, connections),
                await _hit(bench, request, connections),
            )
            for _ in range(PAIRS + 1)
        ][1:]  # the first one fills the cache, and warms both
        rows.append(_row(f"session only, {connections} at once", [a for a, _ in pairs], 1.0))
        ratio = statistics.median(hit.quantile_ms(0.5) / a.quantile_ms(0.5) for a, hit in pairs)
        rows.append(_row(f"cache hit, {connections} at once", [hit for _, hit in pairs], ratio))
    return rows


async def sold(bench: SpeechBench) -> list[Row]:
    """Generations a second, each stored and paid for, when the provider takes no time."""
    numbers = itertools.count()

    def requests_of(_connection: int) -> Iterator[bytes]:
        for number in numbers:
            text = f"Every one of these sentences is new to everybody: {number}."
            body = json.dumps({"input": text, "voiceId": bench.customer.voice_id}).encode()
            yield request_bytes(
                "POST", "/api/v1/speech", body=body, headers=bench.customer.key_headers
            )

    rounds = [
        await run_load(
            port=bench.stack.ports.web,
            connections=SOLD_CONNECTIONS,
            duration_s=2 * ROUND_S,
            requests_of=requests_of,
        )
        for _ in range(SOLD_ROUNDS)
    ]
    return [_row(f"generated and sold, {SOLD_CONNECTIONS} at once", rounds, 0.0)]


async def _hit(bench: SpeechBench, request: bytes, connections: int) -> LoadResult:
    return await _round(bench.stack.ports.web, request, connections)


async def _round(port: int, request: bytes, connections: int) -> LoadResult:
    return await run_load(
        port=port,
        connections=connections,
        duration_s=ROUND_S,
        requests_of=lambda _n: itertools.repeat(request),
    )


def _row(name: str, rounds: list[LoadResult], of_anchor: float) -> Row:
    assert not any(r.failed for r in rounds), f"{name}: requests failed"
    return Row(
        name=name,
        per_second=statistics.median(r.per_second for r in rounds),
        p50_ms=statistics.median(r.quantile_ms(0.5) for r in rounds),
        p99_ms=statistics.median(r.quantile_ms(0.99) for r in rounds),
        of_anchor=of_anchor,
    )
