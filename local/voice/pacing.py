"""How fast audio leaves: ahead of the listener, not all at once. Pure."""

LEAD_MS = 1_000  # leaves at once: what a client needs to play without a gap
TIMES_REAL_TIME = 5.0  # after that; a caller who interrupts has saved us the rest
DELTA_MS = 200  # of audio in one event: half the JSON of 100 ms, and still no delay


def pause_s(*, sent_ms: int, elapsed_s: float) -> float:
    """Seconds to wait before more audio leaves, when this much went out in this time."""
    return max(0.0, (sent_ms - LEAD_MS) / 1000 / TIMES_REAL_TIME - elapsed_s)


def spread(words: list[str], *, parts: int) -> list[str]:
    """The words of a sentence shared out over its pieces of audio, each with a space before it."""
    shares = []
    for part in range(parts):
        first, end = part * len(words) // parts, (part + 1) * len(words) // parts
        shares.append("".join(f" {word}" for word in words[first:end]))
    return shares
