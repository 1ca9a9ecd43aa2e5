"""The shapes both sides of the Realtime protocol (GA) agree on: errors, items, ids."""

import secrets
from typing import Any

Event = dict[str, Any]
Item = dict[str, Any]

MESSAGE_BYTES_MAX = 2 * 2**20  # of one client message; an append of 100 ms is 6.4 kB

# livekit-agents shortens longer call ids to a hash, which then matches nothing.
CALL_ID_CHARS_MAX = 32


class ProtocolError(Exception):
    """A client event that cannot be done; it is answered with an `error` event."""

    def __init__(
        self, message: str, *, code: str = "invalid_value", param: str | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.param = param


def new_id(prefix: str) -> str:
    """An id such as item_9f…; 27 characters at most, see CALL_ID_CHARS_MAX."""
    return f"{prefix}_{secrets.token_hex(10)}"


def error_body(error: ProtocolError, *, event_id: str | None) -> Event:
    """The `error` field of an error event; `event_id` is the client event at fault."""
    return {
        "type": "invalid_request_error",
        "code": error.code,
        "message": error.message,
        "param": error.param,
        "event_id": event_id,
    }


def text_field(event: Event, key: str) -> str:
    """A field that must be a non-empty string."""
    value = event.get(key)
    if not isinstance(value, str) or not value:
        raise ProtocolError(f"{key} must be a string", param=key)
    return value


def message_item(item_id: str, *, role: str, content: list[Event], status: str) -> Item:
    return {
        "id": item_id,
        "object": "realtime.item",
        "type": "message",
        "status": status,
        "role": role,
        "content": content,
    }


def function_call_item(item_id: str, *, name: str, status: str) -> Item:
    return {
        "id": item_id,
        "object": "realtime.item",
        "type": "function_call",
        "status": status,
        "call_id": new_id("call"),
        "name": name,
        "arguments": "",
    }
