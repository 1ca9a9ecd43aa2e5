"""The items a response brings forth: told to the client, put into the conversation."""

from typing import Any, Protocol

from local.voice.conversation import Conversation
from local.voice.mind import ToolCall
from local.voice.protocol import Event, Item, function_call_item, message_item, new_id


class Outlet(Protocol):
    """Where server events go."""

    async def send(self, event_type: str, **fields: Any) -> None:
        """Send one event; does nothing when the client is gone."""
        ...


class Output:
    """The output of one response. `conversation` None: it is not part of one."""

    def __init__(
        self, *, response_id: str, outlet: Outlet, conversation: Conversation | None
    ) -> None:
        self.response_id = response_id
        self.items: list[Item] = []
        self._outlet = outlet
        self._conversation = conversation

    async def open_message(self) -> Item:
        """A new assistant message without content."""
        item_id = new_id("item")
        item = message_item(item_id, role="assistant", content=[], status="in_progress")
        await self._open(item)
        return item

    async def call_tool(self, call: ToolCall) -> None:
        """A whole function call."""
        item = function_call_item(new_id("item"), name=call.name, status="in_progress")
        await self._open(item)
        place = {**self.place_of(item), "call_id": item["call_id"]}
        await self.send("response.function_call_arguments.delta", **place, delta=call.arguments)
        await self.send("response.function_call_arguments.done", **place, arguments=call.arguments)
        item["arguments"] = call.arguments
        await self.close(item, "completed")

    async def close(self, item: Item, status: str, *, words: str = "", audio_ms: int = 0) -> None:
        """The item has all it will have; `words` are what the conversation remembers of it."""
        item["status"] = status
        if self._conversation and item["type"] == "message":
            self._conversation.hear(item["id"], words, audio_ms=audio_ms)
        await self.send(
            "response.output_item.done",
            response_id=self.response_id,
            output_index=self.items.index(item),
            item=item,
        )

    def place_of(self, item: Item) -> Event:
        """The fields by which events name an item of this response."""
        return {
            "response_id": self.response_id,
            "item_id": item["id"],
            "output_index": self.items.index(item),
        }

    async def send(self, event_type: str, **fields: Any) -> None:
        await self._outlet.send(event_type, **fields)

    async def _open(self, item: Item) -> None:
        self.items.append(item)
        added = self._conversation.add(item) if self._conversation else None
        await self.send(
            "response.output_item.added",
            response_id=self.response_id,
            output_index=len(self.items) - 1,
            item=item,
        )
        if added:
            await self.send(
                "conversation.item.added", previous_item_id=added.previous_item_id, item=item
            )
