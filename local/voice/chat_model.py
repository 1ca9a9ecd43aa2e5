"""Any OpenAI-compatible chat model as a Mind."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from openai import APIError, AsyncOpenAI

from local.voice.mind import Line, MindFailed, Prompt, Sentence, Tool, ToolCall, Utterance
from local.voice.persona import ordered_words
from local.voice.sentences import SentenceBuffer, sentences_of

ANSWER_TOKENS_MAX = 400  # about two minutes of speech
TIMEOUT_S = 30.0
RETRIES_MAX = 1  # the caller is waiting; a second retry comes too late

SPOKEN_STYLE = (
    "You are talking on the phone. Answer in one to three short sentences of plain speech, "
    "without lists, markup or emoji."
)


class ChatModelMind:
    """Speaks what a chat model writes, sentence by sentence."""

    def __init__(self, *, base_url: str, model: str, api_key: str) -> None:
        self._model = model
        self._client = AsyncOpenAI(
            base_url=base_url, api_key=api_key, timeout=TIMEOUT_S, max_retries=RETRIES_MAX
        )

    async def reply(self, prompt: Prompt) -> AsyncGenerator[Utterance, None]:
        ordered = ordered_words(prompt.order)
        if ordered:  # exact words are not left to a model
            for sentence in sentences_of(ordered):
                yield Sentence(sentence)
            return
        try:
            async with aclosing(self._ask(prompt)) as utterances:
                async for utterance in utterances:
                    yield utterance
        except APIError as error:
            raise MindFailed(str(error.code or "server_error")) from error

    async def aclose(self) -> None:
        await self._client.close()

    async def _ask(self, prompt: Prompt) -> AsyncGenerator[Utterance, None]:
        buffer = SentenceBuffer()
        calls: dict[int, list[str]] = {}
        async with await self._client.chat.completions.create(**self._request(prompt)) as chunks:
            async for chunk in chunks:
                delta = chunk.choices[0].delta if chunk.choices else None
                if delta is None:
                    continue
                for sentence in buffer.push(delta.content or ""):
                    yield Sentence(sentence)
                for part in delta.tool_calls or []:
                    call = calls.setdefault(part.index, ["", ""])
                    if part.function:
                        call[0] += part.function.name or ""
                        call[1] += part.function.arguments or ""
        for sentence in buffer.rest():
            yield Sentence(sentence)
        for name, arguments in calls.values():
            yield ToolCall(name, arguments or "{}")

    def _request(self, prompt: Prompt) -> dict[str, Any]:
        request: dict[str, Any] = {
            "model": self._model,
            "messages": messages_of(prompt),
            "stream": True,
            "max_tokens": ANSWER_TOKENS_MAX,
        }
        if prompt.tools:
            request["tools"] = [_tool(tool) for tool in prompt.tools]
            request["tool_choice"] = _tool_choice(prompt.tool_choice)
        return request


def messages_of(prompt: Prompt) -> list[dict[str, Any]]:
    """The prompt as chat messages."""
    system = f"{prompt.instructions}\n\n{SPOKEN_STYLE}".strip()
    messages = [{"role": "system", "content": system}, *map(_message, prompt.lines)]
    if prompt.order:
        messages.append({"role": "system", "content": prompt.order})
    return messages


def _message(line: Line) -> dict[str, Any]:
    if line.role == "tool":
        return {"role": "tool", "tool_call_id": line.call_id, "content": line.text}
    if line.tool is None:
        return {"role": line.role, "content": line.text}
    function = {"name": line.tool, "arguments": line.arguments or "{}"}
    call = {"id": line.call_id, "type": "function", "function": function}
    return {"role": "assistant", "content": None, "tool_calls": [call]}


def _tool(tool: Tool) -> dict[str, Any]:
    function = {
        "name": tool.name,
        "description": tool.description,
        "parameters": tool.parameters or {"type": "object", "properties": {}},
    }
    return {"type": "function", "function": function}


def _tool_choice(choice: str) -> str | dict[str, Any]:
    if choice in ("auto", "none", "required"):
        return choice
    return {"type": "function", "function": {"name": choice}}
