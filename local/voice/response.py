"""One response, from `response.created` to `response.done`, whatever happens in between."""

import asyncio
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Literal

from local.voice.conversation import Conversation
from local.voice.message import Message, SpokenMessage
from local.voice.mind import MindFailed, Prompt, Sentence, ToolCall
from local.voice.output import Outlet, Output
from local.voice.protocol import Event, new_id
from local.voice.services import Services
from local.voice.usage import response_usage
from local.voice.voicebox import Manner
from shared.log import get_logger

log = get_logger(__name__)

CancelReason = Literal["turn_detected", "client_cancelled"]


@dataclass(frozen=True, slots=True)
class Assignment:
    """What a response has to do. `manner` None: write instead of speaking."""

    prompt: Prompt
    manner: Manner | None
    metadata: Any
    heard_ms: int  # audio of the caller so far, for usage


@dataclass(frozen=True, slots=True)
class Outcome:
    status: str
    details: Event | None = None


class Response:
    """Runs as one task; after it the client has had one `response.done`."""

    def __init__(
        self,
        assignment: Assignment,
        *,
        conversation: Conversation | None,
        outlet: Outlet,
        services: Services,
    ) -> None:
        """`conversation` None: the response is not part of it."""
        self._assignment = assignment
        self._services = services
        self._output = Output(response_id=new_id("resp"), outlet=outlet, conversation=conversation)
        self._message = (
            SpokenMessage(self._output, services.clock)
            if assignment.manner
            else Message(self._output)
        )
        self._began = asyncio.Event()
        self._created = False
        self._ending = False
        self._cancel_reason: CancelReason | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def running(self) -> bool:
        return self._task is not None and not self._task.done()

    def start(self) -> None:
        self._task = asyncio.create_task(self._run())

    async def cancel(self, reason: CancelReason) -> bool:
        """Stop, with `response.done` sent. False when it was ending by itself already."""
        if self._task is None or not self.running:
            return False
        await self._began.wait()  # a task cancelled before its first step sends nothing at all
        cancelled = not self._ending and self._cancel_reason is None
        if cancelled:
            self._cancel_reason = reason
            self._task.cancel()
        await asyncio.wait([self._task])
        return cancelled

    async def _run(self) -> None:
        self._began.set()
        self._services.stats.responses += 1
        self._services.stats.responses_active += 1
        outcome = await self._outcome()
        # From here on `cancel` waits: without response.done a client hangs for good.
        self._ending = True
        self._services.stats.responses_active -= 1
        await self._end(outcome)

    async def _outcome(self) -> Outcome:
        try:
            await self._speak()
        except asyncio.CancelledError:
            self._services.stats.responses_cancelled += 1
            reason = self._cancel_reason or "client_cancelled"
            return Outcome("cancelled", {"type": "cancelled", "reason": reason})
        except MindFailed as failure:
            return _failed(failure.code)
        except Exception:
            # The edge of a task nobody awaits: a bug of ours costs this reply, not the call.
            log.exception("response_failed")
            return _failed("server_error")
        return Outcome("completed")

    async def _speak(self) -> None:
        faults = self._services.faults
        await asyncio.sleep(faults.take("think_s") or 0)
        await self._create()
        mute = bool(faults.take("mute"))
        async with aclosing(self._services.mind.reply(self._assignment.prompt)) as utterances:
            async for utterance in utterances:
                if isinstance(utterance, ToolCall):
                    await self._call_tool(utterance)
                else:
                    await self._say(utterance, mute=mute)
        await self._message.close("completed")

    async def _call_tool(self, call: ToolCall) -> None:
        await self._message.close("completed")
        await self._output.call_tool(call)
        self._services.stats.tool_calls += 1

    async def _say(self, sentence: Sentence, *, mute: bool) -> None:
        manner = self._assignment.manner
        await self._message.open()
        pcm = b""
        if manner and not mute:
            pcm = await self._services.voicebox.say(sentence.text, manner)
        await self._message.add(sentence.text, pcm)

    async def _create(self) -> None:
        self._created = True
        await self._output.send("response.created", response=self._head("in_progress"))

    async def _end(self, outcome: Outcome) -> None:
        if not self._created:
            await self._create()
        await self._message.close("incomplete")
        done = self._head(outcome.status) | {
            "status_details": outcome.details,
            "output": self._output.items,
            "usage": response_usage(
                self._assignment.prompt,
                self._output.items,
                heard_ms=self._assignment.heard_ms,
                spoken_ms=self._message.audio_ms,
            ),
        }
        await self._output.send("response.done", response=done)
        if self._services.faults.take("double_done"):
            await self._output.send("response.done", response=done)

    def _head(self, status: str) -> Event:
        return {
            "object": "realtime.response",
            "id": self._output.response_id,
            "status": status,
            "status_details": None,
            # Echoed: it is a client's only link from its request to the answer.
            "metadata": self._assignment.metadata,
            "output": [],
            "output_modalities": ["audio" if self._assignment.manner else "text"],
            "usage": None,
        }


def _failed(code: str) -> Outcome:
    return Outcome("failed", {"type": "failed", "error": {"type": "server_error", "code": code}})
