"""
One Realtime session: what each client event does. Knows no socket.

Events are handled one after the other; only the running response is a task of its own.
"""

from collections.abc import Awaitable, Callable

from local.voice.conversation import Conversation, client_item
from local.voice.listening import Listening
from local.voice.output import Outlet
from local.voice.protocol import Event, ProtocolError, error_body, text_field
from local.voice.response import Assignment, CancelReason, Response
from local.voice.response_request import ResponseRequest, response_request
from local.voice.services import Services
from local.voice.session import Session, voice_name


class Realtime:
    """The protocol's state machine."""

    def __init__(self, session: Session, *, outlet: Outlet, services: Services) -> None:
        self._session = session
        self._outlet = outlet
        self._services = services
        self._conversation = Conversation()
        self._response: Response | None = None
        self._listening = Listening(
            session, self._conversation, turn_taker=self, outlet=outlet, services=services
        )
        self._handlers: dict[str, Callable[[Event], Awaitable[None]]] = {
            "session.update": self._update_session,
            "input_audio_buffer.append": self._listening.append,
            "input_audio_buffer.commit": self._listening.commit,
            "input_audio_buffer.clear": self._listening.clear,
            "conversation.item.create": self._create_item,
            "conversation.item.retrieve": self._retrieve_item,
            "conversation.item.delete": self._delete_item,
            "conversation.item.truncate": self._truncate_item,
            "response.create": self._create_response,
            "response.cancel": self._cancel_response,
        }

    async def open(self) -> None:
        await self._outlet.send("session.created", session=self._session.snapshot())

    async def close(self) -> None:
        """Stop what runs; the client may be gone."""
        await self._stop_response("client_cancelled")

    async def handle(self, event: object) -> None:
        """Do one client event, or answer with an error event and change nothing."""
        event_id = event.get("event_id") if isinstance(event, dict) else None
        try:
            await self._dispatch(event)
        except ProtocolError as error:
            await self.refuse(error, event_id=event_id if isinstance(event_id, str) else None)

    async def refuse(self, error: ProtocolError, *, event_id: str | None = None) -> None:
        """Answer with an error event."""
        self._services.stats.protocol_errors += 1
        await self._outlet.send("error", error=error_body(error, event_id=event_id))

    async def turn_began(self) -> None:
        """Barge-in: whoever is interrupted stops talking."""
        detection = self._session.turn_detection
        if detection and detection.interrupt_response:
            await self._stop_response("turn_detected")

    async def turn_ended(self) -> None:
        detection = self._session.turn_detection
        if detection and detection.create_response:
            await self._start_response(ResponseRequest({}))

    async def _dispatch(self, event: object) -> None:
        if not isinstance(event, dict):
            raise ProtocolError("an event must be an object")
        handler = self._handlers.get(text_field(event, "type"))
        if handler is None:
            raise ProtocolError("unknown event type", param="type")
        await handler(event)

    async def _update_session(self, event: Event) -> None:
        before = self._session.turn_detection
        self._check_voice(event)
        self._session.update(event.get("session"))
        if self._session.turn_detection != before:
            self._listening.listen_anew()
        await self._outlet.send("session.updated", session=self._session.snapshot())

    def _check_voice(self, event: Event) -> None:
        """A fault: a session that has spoken keeps its voice."""
        if self._response is None or not self._services.faults.peek("voice_fixed"):
            return
        session = event.get("session")
        audio = session.get("audio") if isinstance(session, dict) else None
        output = audio.get("output") if isinstance(audio, dict) else None
        if isinstance(output, dict) and voice_name(output.get("voice")) != self._session.voice:
            raise ProtocolError(
                "Cannot update a conversation's voice if assistant audio is present.",
                code="cannot_update_voice",
                param="session.audio.output.voice",
            )

    async def _create_item(self, event: Event) -> None:
        item = client_item(event.get("item"))
        after = event.get("previous_item_id")
        added = self._conversation.add(item, after=None if after is None else str(after))
        self._services.stats.items_created += 1
        before = {"previous_item_id": added.previous_item_id}
        await self._outlet.send("conversation.item.added", **before, item=item)
        await self._outlet.send("conversation.item.done", **before, item=item)

    async def _retrieve_item(self, event: Event) -> None:
        item = self._conversation.get(text_field(event, "item_id"))
        await self._outlet.send("conversation.item.retrieved", item=item)

    async def _delete_item(self, event: Event) -> None:
        item_id = text_field(event, "item_id")
        self._conversation.delete(item_id)
        await self._outlet.send("conversation.item.deleted", item_id=item_id)

    async def _truncate_item(self, event: Event) -> None:
        item_id, played_ms = text_field(event, "item_id"), event.get("audio_end_ms")
        if not isinstance(played_ms, int) or played_ms < 0:
            raise ProtocolError("audio_end_ms must be a number", param="audio_end_ms")
        self._conversation.truncate(item_id, played_ms=played_ms)
        self._services.stats.items_truncated += 1
        await self._outlet.send(
            "conversation.item.truncated",
            item_id=item_id,
            content_index=event.get("content_index", 0),
            audio_end_ms=played_ms,
        )

    async def _create_response(self, event: Event) -> None:
        await self._start_response(response_request(event))

    async def _start_response(self, request: ResponseRequest) -> None:
        refusal = self._response_refusal()
        if refusal:
            await self.refuse(refusal, event_id=request.event_id)
            return
        self._response = Response(
            Assignment(
                prompt=request.prompt(self._session, self._conversation),
                manner=request.manner(self._session) if request.speaks(self._session) else None,
                metadata=request.metadata,
                heard_ms=self._listening.heard_ms,
            ),
            conversation=self._conversation if request.joins_conversation else None,
            outlet=self._outlet,
            services=self._services,
        )
        self._response.start()

    def _response_refusal(self) -> ProtocolError | None:
        error_code = self._services.faults.take("error_code")
        if error_code:
            return ProtocolError("this fault was asked for", code=error_code)
        if self._response and self._response.running:
            return ProtocolError(
                "Conversation already has an active response in progress",
                code="conversation_already_has_active_response",
            )
        return None

    async def _cancel_response(self, _event: Event) -> None:
        if not await self._stop_response("client_cancelled"):
            # Clients know this error by how its message begins, and ignore it.
            raise ProtocolError(
                "Cancellation failed: no active response found",
                code="response_cancel_not_active",
            )

    async def _stop_response(self, reason: CancelReason) -> bool:
        return self._response is not None and await self._response.cancel(reason)
