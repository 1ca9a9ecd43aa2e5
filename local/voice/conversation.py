"""The items of one conversation, in order, and the words of each. Pure."""

from dataclasses import dataclass

from local.voice.protocol import Event, Item, ProtocolError, new_id, text_field

ITEMS_MAX = 4_096  # more than an hour of talk; a reconnecting client replays all of them
ITEM_CHARS_MAX = 100_000

_TYPES = ("message", "function_call", "function_call_output")
_ROLES = ("user", "assistant", "system")


@dataclass(frozen=True, slots=True)
class Added:
    """An item and the one before it, as `conversation.item.added` tells."""

    item: Item
    previous_item_id: str | None


class Conversation:
    """What was said, by whom, in order."""

    def __init__(self) -> None:
        self._items: list[Item] = []
        self._ids: set[str] = set()
        self._words: dict[str, str] = {}  # of audio items, whether or not the client is told them
        self._audio_ms: dict[str, int] = {}  # of the assistant's

    @property
    def items(self) -> tuple[Item, ...]:
        return tuple(self._items)

    @property
    def tail_id(self) -> str | None:
        return self._items[-1]["id"] if self._items else None

    def add(self, item: Item, *, after: str | None = None) -> Added:
        """Insert after an item id, at the start for "root", at the end for None."""
        if len(self._items) >= ITEMS_MAX:
            raise ProtocolError("the conversation is full", code="conversation_full")
        if item["id"] in self._ids:
            raise ProtocolError("an item with this id exists", code="item_already_exists")
        position = len(self._items) if after is None else 0
        if after not in (None, "root"):
            previous = self._position_of(str(after))
            if previous is None:
                raise ProtocolError("previous item not found", code="item_not_found")
            position = previous + 1
        self._items.insert(position, item)
        self._ids.add(item["id"])
        return Added(item, self._items[position - 1]["id"] if position else None)

    def get(self, item_id: str) -> Item:
        position = self._position_of(item_id)
        if position is None:
            raise ProtocolError("item not found", code="item_not_found", param="item_id")
        return self._items[position]

    def delete(self, item_id: str) -> None:
        self._items.remove(self.get(item_id))
        self._ids.discard(item_id)
        self._words.pop(item_id, None)
        self._audio_ms.pop(item_id, None)

    def hear(self, item_id: str, words: str, *, audio_ms: int = 0) -> None:
        """Remember the words of an audio item, and how long the assistant took to say them."""
        self._words[item_id] = words
        self._audio_ms[item_id] = audio_ms

    def truncate(self, item_id: str, *, played_ms: int) -> None:
        """Forget the words of an assistant's audio that were not played before an interruption."""
        item = self.get(item_id)
        if item.get("role") != "assistant":
            raise ProtocolError("only assistant audio can be truncated", param="item_id")
        audio_ms = self._audio_ms.get(item_id, 0)
        if played_ms >= audio_ms:
            return
        words = self.words_of(item).split()
        self._words[item_id] = " ".join(words[: len(words) * played_ms // audio_ms])
        self._audio_ms[item_id] = played_ms

    def words_of(self, item: Item) -> str:
        """What a message says, typed or spoken."""
        if item["id"] in self._words:
            return self._words[item["id"]]
        parts = item.get("content") or []
        return " ".join(str(p.get("text") or p.get("transcript") or "") for p in parts).strip()

    def _position_of(self, item_id: str) -> int | None:
        # From the end: what is asked for is nearly always one of the last.
        for position in range(len(self._items) - 1, -1, -1):
            if self._items[position]["id"] == item_id:
                return position
        return None


def client_item(raw: object) -> Item:
    """An item a client created, checked and completed with an id."""
    if not isinstance(raw, dict) or raw.get("type") not in _TYPES:
        raise ProtocolError(f"item.type must be one of {', '.join(_TYPES)}", param="item.type")
    item = {**raw, "object": "realtime.item", "status": "completed"}
    item["id"] = text_field(raw, "id") if raw.get("id") else new_id("item")
    if raw["type"] == "message":
        _check_message(raw)
    else:
        text_field(raw, "call_id")
    if raw["type"] == "function_call":
        text_field(raw, "name")
    if raw["type"] == "function_call_output" and not isinstance(raw.get("output"), str):
        raise ProtocolError("item.output must be a string", param="item.output")
    return item


def _check_message(raw: Event) -> None:
    if raw.get("role") not in _ROLES:
        raise ProtocolError(f"item.role must be one of {', '.join(_ROLES)}", param="item.role")
    content = raw.get("content")
    if not isinstance(content, list) or not all(isinstance(part, dict) for part in content):
        raise ProtocolError("item.content must be a list of parts", param="item.content")
    if sum(len(str(part.get("text") or "")) for part in content) > ITEM_CHARS_MAX:
        raise ProtocolError("the item is too long", param="item.content")
