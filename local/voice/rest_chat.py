"""`POST /v1/chat/completions`: the persona, or the configured chat model, in writing."""

import json
from collections.abc import AsyncIterator
from typing import Any

from aiohttp import web
from pydantic import BaseModel, Field

from local.voice.faults import RestFault
from local.voice.http_errors import HttpError, break_connection, misbehave
from local.voice.mind import Line, MindFailed, Prompt, Sentence, ToolCall, tool_choice_of, tool_of
from local.voice.protocol import new_id
from local.voice.services import Services
from local.voice.usage import prompt_tokens, text_tokens

MESSAGES_MAX = 1_000

Json = dict[str, Any]


class ChatMessage(BaseModel):
    role: str
    content: str | list[Json] | None = None
    tool_calls: list[Json] | None = None
    tool_call_id: str | None = None

    @property
    def text(self) -> str:
        if isinstance(self.content, list):
            return " ".join(str(part.get("text") or "") for part in self.content)
        return self.content or ""


class StreamOptions(BaseModel):
    include_usage: bool = False


class ChatRequest(BaseModel):
    model: str = Field(min_length=1, max_length=200)
    messages: list[ChatMessage] = Field(min_length=1, max_length=MESSAGES_MAX)
    stream: bool = False
    stream_options: StreamOptions | None = None
    tools: list[Json] | None = None
    tool_choice: str | Json | None = None


class ChatRoute:
    def __init__(self, services: Services) -> None:
        self._services = services

    async def post(self, request: web.Request) -> web.StreamResponse:
        """The handler of the route."""
        self._services.stats.chat_requests += 1
        fault: RestFault = self._services.faults.take("chat") or RestFault()
        wanted = ChatRequest.model_validate_json(await request.read() or "{}")
        await misbehave(fault)
        completion = Completion(wanted, clock_s=int(self._services.clock.now().timestamp()))
        deltas = self._deltas(completion)
        if not wanted.stream:
            async for _ in deltas:
                pass
            return web.json_response(completion.whole())
        first = await anext(deltas, None)  # a failure still has a status of its own here
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        if first is not None:
            await response.write(_event(completion.chunk(first)))
        if fault.truncate:
            break_connection(request)
            return response
        async for delta in deltas:
            await response.write(_event(completion.chunk(delta)))
        for chunk in completion.last_chunks():
            await response.write(_event(chunk))
        await response.write(b"data: [DONE]\n\n")
        await response.write_eof()
        return response

    async def _deltas(self, completion: "Completion") -> AsyncIterator[Json]:
        try:
            async for utterance in self._services.mind.reply(completion.prompt):
                yield completion.add(utterance)
        except MindFailed as failure:
            raise HttpError(502, "the chat model failed", code=failure.code) from failure


class Completion:
    """One answer while it grows."""

    def __init__(self, wanted: ChatRequest, *, clock_s: int) -> None:
        self.prompt = prompt_of(wanted)
        self._wants_usage = bool(wanted.stream_options and wanted.stream_options.include_usage)
        self._head = {"id": new_id("chatcmpl"), "created": clock_s, "model": wanted.model}
        self._text = ""
        self._calls: list[Json] = []

    def add(self, utterance: Sentence | ToolCall) -> Json:
        """The delta that this utterance makes."""
        if isinstance(utterance, ToolCall):
            function = {"name": utterance.name, "arguments": utterance.arguments}
            call = {"id": new_id("call"), "type": "function", "function": function}
            self._calls.append(call)
            return {"role": "assistant", "tool_calls": [{"index": len(self._calls) - 1, **call}]}
        piece = f" {utterance.text}" if self._text else utterance.text
        self._text += piece
        return {"role": "assistant", "content": piece}

    def chunk(self, delta: Json) -> Json:
        choice = {"index": 0, "delta": delta, "finish_reason": None}
        return {**self._head, "object": "chat.completion.chunk", "choices": [choice]}

    def last_chunks(self) -> list[Json]:
        end = {"index": 0, "delta": {}, "finish_reason": self._finish_reason}
        chunks = [{**self._head, "object": "chat.completion.chunk", "choices": [end]}]
        if self._wants_usage:
            chunks.append({**chunks[0], "choices": [], "usage": self._usage})
        return chunks

    def whole(self) -> Json:
        message: Json = {"role": "assistant", "content": self._text or None}
        if self._calls:
            message["tool_calls"] = self._calls
        choice = {"index": 0, "message": message, "finish_reason": self._finish_reason}
        head = {**self._head, "object": "chat.completion"}
        return {**head, "choices": [choice], "usage": self._usage}

    @property
    def _finish_reason(self) -> str:
        return "tool_calls" if self._calls else "stop"

    @property
    def _usage(self) -> Json:
        tokens_in = prompt_tokens(self.prompt)
        tokens_out = text_tokens(self._text) + text_tokens("".join(map(str, self._calls)))
        return {
            "prompt_tokens": tokens_in,
            "completion_tokens": tokens_out,
            "total_tokens": tokens_in + tokens_out,
        }


def prompt_of(wanted: ChatRequest) -> Prompt:
    """System messages are instructions; one that comes last is an order for this answer."""
    messages = list(wanted.messages)
    system = ("system", "developer")
    order = messages.pop().text if len(messages) > 1 and messages[-1].role in system else ""
    names: dict[str, str] = {}
    lines = [line for message in messages for line in _lines(message, names)]
    return Prompt(
        instructions="\n".join(message.text for message in messages if message.role in system),
        order=order,
        lines=tuple(lines),
        tools=tuple(map(tool_of, wanted.tools or [])),
        tool_choice=tool_choice_of(wanted.tool_choice),
    )


def _lines(message: ChatMessage, names: dict[str, str]) -> list[Line]:
    """The lines of one message. `names` learns which call id is which tool."""
    if message.role == "tool":
        call_id = message.tool_call_id
        return [Line("tool", message.text, tool=names.get(call_id or ""), call_id=call_id)]
    if message.role not in ("user", "assistant"):
        return []
    spoken = [Line("user" if message.role == "user" else "assistant", message.text)]
    return spoken if not message.tool_calls else [_call(call, names) for call in message.tool_calls]


def _call(call: Json, names: dict[str, str]) -> Line:
    function = call.get("function") or {}
    name, call_id = str(function.get("name")), str(call.get("id"))
    names[call_id] = name
    arguments = str(function.get("arguments") or "{}")
    return Line("assistant", "", tool=name, call_id=call_id, arguments=arguments)


def _event(data: Json) -> bytes:
    return b"data: " + json.dumps(data).encode() + b"\n\n"
