"""What the server was asked to do, for tests that count a provider's calls."""

from dataclasses import dataclass


@dataclass(slots=True)
class Stats:
    """Counters since the start, and two gauges."""

    connections: int = 0
    connections_open: int = 0  # gauge
    connections_refused: int = 0
    connections_dropped: int = 0  # by a fault
    sessions_expired: int = 0  # by a fault
    responses: int = 0
    responses_cancelled: int = 0
    responses_active: int = 0  # gauge
    turns: int = 0  # of callers, committed
    turns_understood: int = 0
    tool_calls: int = 0
    items_created: int = 0  # by clients: typed, tool results, replayed after a reconnect
    items_truncated: int = 0  # by clients whose caller interrupted
    protocol_errors: int = 0
    sentences_synthesized: int = 0
    sentences_from_cache: int = 0
    last_voice: str = ""  # that was asked for
    speech_requests: int = 0
    transcription_requests: int = 0
    chat_requests: int = 0
