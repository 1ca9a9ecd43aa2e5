"""What a `response.create` asks for, and the prompt it makes of the conversation so far."""

from dataclasses import dataclass
from typing import Any

from local.voice.conversation import Conversation
from local.voice.languages import language_named
from local.voice.mind import Line, Prompt, tool_choice_of, tool_of
from local.voice.protocol import Event, Item, ProtocolError
from local.voice.session import Session, voice_name
from local.voice.voicebox import Manner


@dataclass(frozen=True, slots=True)
class ResponseRequest:
    """The fields of one response that differ from the session's. Empty when server VAD asks."""

    fields: Event
    event_id: str | None = None

    @property
    def metadata(self) -> Any:
        """Echoed to the client, for which it is the only link from its request to the answer."""
        return self.fields.get("metadata")

    @property
    def joins_conversation(self) -> bool:
        return self.fields.get("conversation") != "none"

    def speaks(self, session: Session) -> bool:
        """Audio, or text only."""
        return "audio" in (self.fields.get("output_modalities") or session.output_modalities)

    def manner(self, session: Session) -> Manner:
        audio = self.fields.get("audio")
        output = audio.get("output") if isinstance(audio, dict) else None
        voice = output.get("voice") if isinstance(output, dict) else None
        return Manner(
            voice=voice_name(voice) if voice else session.voice,
            language=language_named(self._order(session)) or session.language,
            speed=session.speed,
        )

    def prompt(self, session: Session, conversation: Conversation) -> Prompt:
        tools = self.fields.get("tools")
        choice = self.fields.get("tool_choice")
        return Prompt(
            instructions=session.instructions,
            order=self._order(session),
            lines=_lines(conversation),
            tools=tuple(tool_of(raw) for raw in (session.tools if tools is None else tools)),
            tool_choice=tool_choice_of(session.tool_choice if choice is None else choice),
        )

    def _order(self, session: Session) -> str:
        """The instructions of this reply; livekit-agents puts the session's before them."""
        instructions = str(self.fields.get("instructions") or "")
        return instructions.removeprefix(session.instructions).strip()


def response_request(event: Event) -> ResponseRequest:
    """The request in a `response.create` event, checked."""
    fields = event.get("response")
    if fields is None:
        fields = {}
    if not isinstance(fields, dict):
        raise ProtocolError("response must be an object", param="response")
    tools = fields.get("tools")
    if tools is not None and not (
        isinstance(tools, list) and all(isinstance(tool, dict) for tool in tools)
    ):
        raise ProtocolError("tools must be a list", param="response.tools")
    if fields.get("output_modalities") not in (None, ["audio"], ["text"]):
        raise ProtocolError("choose audio or text", param="response.output_modalities")
    event_id = event.get("event_id")
    return ResponseRequest(fields, event_id if isinstance(event_id, str) else None)


def _lines(conversation: Conversation) -> tuple[Line, ...]:
    called = {i.get("call_id"): i for i in conversation.items if i["type"] == "function_call"}
    return tuple(_line(item, conversation, called) for item in conversation.items)


def _line(item: Item, conversation: Conversation, called: dict[Any, Item]) -> Line:
    if item["type"] == "message":
        return Line(item["role"], conversation.words_of(item))
    call_id = str(item.get("call_id"))
    if item["type"] == "function_call":
        arguments = str(item.get("arguments") or "{}")
        return Line("assistant", "", tool=item["name"], call_id=call_id, arguments=arguments)
    name = called.get(call_id, {}).get("name")
    return Line("tool", str(item.get("output") or ""), tool=name, call_id=call_id)
