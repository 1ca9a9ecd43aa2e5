"""The numbers as tables, each with its anchors and how many times better or worse they are."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from local.bench import density
from local.bench.density import Cost
from local.bench.growth import DatabaseCost
from local.bench.lots import CloseCost
from local.bench.memories import MS_MAX, Retrieval
from local.bench.settle import Row
from local.bench.speech import Row as SpeechRow
from local.bench.speech_costs import Cost as SpeechCost
from local.bench.tick import TickCost
from local.bench.till import Row as TillRow
from local.bench.turns import SHARE_MS_MAX, Latency, pair_ms, share_ms
from local.bench.wire import WireCost


def print_all(measured: Mapping[str, Sequence[Any]]) -> None:
    """One table a part, in the order they were measured."""
    for part, rows in measured.items():
        _PRINTERS[part](rows)


def _settle(rows: Sequence[Row]) -> None:
    naive = rows[0].calls_held
    print(f"\n{'settles':42} {'requests/s':>10} {'calls held':>10} {'x naive':>8} p50/p99 ms")
    for row in rows:
        print(
            f"{row.name:42} {row.per_second:10,.0f} {row.calls_held:10,.0f} "
            f"{row.calls_held / naive:8.1f} {row.p50_ms:.1f}/{row.p99_ms:.1f}"
        )


def _database(rows: Sequence[DatabaseCost]) -> None:
    first = rows[0]
    print(
        f"\n{'one second of all calls':28} {'ms p50':>8} {'ms max':>8} {'CPU ms':>7} "
        f"{'CPU ms/call-min':>16} "
        f"{'of first':>8} {'WAL B/call-min':>15} {'of first':>8}"
    )
    for row in rows:
        print(
            f"{row.name:28} {row.ms_p50:8.1f} {row.ms_max:8.1f} {row.cpu_ms:7.1f} "
            f"{row.cpu_ms_per_call_minute:16.3f} "
            f"{row.cpu_ms_per_call_minute / first.cpu_ms_per_call_minute:8.2f} "
            f"{row.wal_bytes_per_call_minute:15,.0f} "
            f"{row.wal_bytes_per_call_minute / first.wal_bytes_per_call_minute:8.2f}"
        )


def _tick(rows: Sequence[TickCost]) -> None:
    print(f"\n{'one tick of a call':42} {'microseconds':>12}")
    for row in rows:
        print(f"{row.name:42} {row.microseconds:12.2f}")


def _wire(rows: Sequence[WireCost]) -> None:
    print(f"\n{'on the wire, both ways':42} {'B/call-min':>12} {'of first':>8}")
    for row in rows:
        share = row.bytes_per_call_minute / rows[0].bytes_per_call_minute
        print(f"{row.name:42} {row.bytes_per_call_minute:12,.0f} {share:8.3f}")


def _density(rows: Sequence[Cost]) -> None:
    print(f"\n{'density':28} {'calls':>5} {'core/call':>10} {'MiB/call':>9} first sound, missed")
    for row in rows:
        print(
            f"{row.name:28} {row.calls:5} {density.median(row.cores_per_call):10.3f} "
            f"{density.median(row.mib_per_call):9.0f} "
            f"{density.median(row.first_sound_s):.2f} s, {row.unanswered}"
        )
    print(f"target a call: {density.CORES_MAX:.3f} core, {density.MIB_MAX} MiB")


def _speech(rows: Sequence[SpeechRow]) -> None:
    print(f"\n{'speech by REST':42} {'requests/s':>10} {'x anchor':>8} p50/p99 ms")
    for row in rows:
        ratio = f"{row.of_anchor:8.2f}" if row.of_anchor else " " * 8
        print(f"{row.name:42} {row.per_second:10,.0f} {ratio} {row.p50_ms:.2f}/{row.p99_ms:.2f}")


def _speech_costs(rows: Sequence[SpeechCost]) -> None:
    print()
    for row in rows:
        print(f"{row.name:56} {row.value:10,.3f} {row.unit}")


def _till(rows: Sequence[TillRow]) -> None:
    print(f"\n{'money in':46} {'a second':>10} p50/p99 ms")
    for row in rows:
        print(f"{row.name:46} {row.per_second:10,.0f} {row.p50_ms:.1f}/{row.p99_ms:.1f}")


def _lots(rows: Sequence[CloseCost]) -> None:
    anchor = rows[0].ms_p50
    print(f"\n{'end of a call':32} {'lots burnt':>10} {'of first':>8} p50/p99 ms")
    for row in rows:
        print(
            f"{row.name:32} {row.lots_burnt:10.0f} {row.ms_p50 / anchor:8.2f} "
            f"{row.ms_p50:.2f}/{row.ms_p99:.2f}"
        )


def _turns(rows: Sequence[Latency]) -> None:
    print(f"\n{'voice to voice':42} {'p50 ms':>8} {'p95 ms':>8} {'turns':>6} {'unanswered':>11}")
    for row in rows:
        print(
            f"{row.name:42} {row.p50_ms:8.0f} {row.p95_ms:8.0f} {len(row.answered_s):6} "
            f"{row.unanswered:11}"
        )
    anchor, ours = rows
    print(
        f"our share at p95: {share_ms(rows):.0f} ms (target {SHARE_MS_MAX:.0f}), "
        f"{ours.p95_ms / anchor.p95_ms:.2f} x; in a pair {pair_ms(rows):.0f} ms"
    )


def _memories(rows: Sequence[Retrieval]) -> None:
    print(f"\n{'what a call is told of its caller':42} {'ms p50':>8} {'ms p95':>8} {'CPU ms':>8}")
    for row in rows:
        print(f"{row.name:42} {row.ms_p50:8.1f} {row.ms_p95:8.1f} {row.cpu_ms:8.1f}")
    print(f"target: {MS_MAX:.0f} ms")


_PRINTERS: Mapping[str, Callable[[Any], None]] = {
    "settle": _settle,
    "growth": _database,
    "rows": _database,
    "tick": _tick,
    "wire": _wire,
    "density": _density,
    "speech": _speech,
    "speech_costs": _speech_costs,
    "till": _till,
    "lots": _lots,
    "memories": _memories,
    "turns": _turns,
}
