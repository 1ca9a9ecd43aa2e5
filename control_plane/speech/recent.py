"""What the database said a moment ago: what everybody hears is answered without asking it."""

from collections import OrderedDict
from typing import Final, Generic, TypeVar

from shared.clock import Clock

ENTRIES_MAX: Final = 10_000  # some MB

Key = TypeVar("Key")
Value = TypeVar("Value")


class Recent(Generic[Key, Value]):
    """Believed for `believed_s` seconds after it was put in; the oldest goes when it is full."""

    def __init__(self, clock: Clock, *, believed_s: float) -> None:
        self._clock = clock
        self._believed_s = believed_s
        self._entries: OrderedDict[Key, tuple[Value, float]] = OrderedDict()

    def get(self, key: Key) -> Value | None:
        entry = self._entries.get(key)
        return entry[0] if entry and self._clock.monotonic() < entry[1] else None

    def put(self, key: Key, value: Value, *, asked_at: float) -> None:
        """`asked_at`: the monotonic time of the question, for the answer is as old as that."""
        self._entries.pop(key, None)
        self._entries[key] = (value, asked_at + self._believed_s)
        if len(self._entries) > ENTRIES_MAX:
            self._entries.popitem(last=False)
