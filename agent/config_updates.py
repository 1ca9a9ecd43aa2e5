"""
`pg.updateConfig`: the caller's page changes the call while it runs.

Only the caller of this call is obeyed, and a locked prompt is never replaced. What the engine
cannot change is left as it is; the answer says whether anything changed.
"""

import asyncio
import json
from dataclasses import dataclass, field
from typing import Protocol

from livekit import rtc
from pydantic import BaseModel, ConfigDict, Field, StrictInt, ValidationError

from agent.engines.port import Engine
from agent.instructions import Instructions
from shared.call_protocol import CallConfig
from shared.log import get_logger

log = get_logger(__name__)

METHOD = "pg.updateConfig"
INSTRUCTIONS_MAX = 20_000  # characters
OUTPUT_TOKENS_MAX = 4096  # what the realtime API takes
VOICE_PATTERN = r"^$|^[A-Za-z0-9][A-Za-z0-9 _.:-]{0,63}$"
CHANGES_MAX = 300  # in one call; the page sends one for each pause in somebody's typing


class ConfigUpdate(BaseModel):
    """As upstream's page sends it; an empty `max_output_tokens` means no limit."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    instructions: str = Field(default="", max_length=INSTRUCTIONS_MAX)
    max_output_tokens: StrictInt | str | None = None
    model: str = ""  # its price was agreed on when the call was placed: never changed
    temperature: float | None = Field(default=None, ge=0, le=2)
    voice: str = Field(default="", pattern=VOICE_PATTERN)


class Instructed(Protocol):
    """Whoever speaks now."""

    async def update_instructions(self, instructions: str) -> None: ...


@dataclass(slots=True)
class ConfigUpdates:
    """Handles the RPC for one call once it has `opened`: nothing said before is the caller's."""

    config: CallConfig
    agent: Instructed
    engine: Engine
    instructions: Instructions
    opened: asyncio.Event
    _instructions: str = field(init=False)
    _output_tokens: int | None = field(init=False)
    _temperature: float | None = field(init=False)
    _left: int = CHANGES_MAX

    def __post_init__(self) -> None:
        self._instructions = self.config.instructions
        self._output_tokens = self.config.max_output_tokens
        self._temperature = self.config.temperature

    async def handle(self, invocation: rtc.RpcInvocationData) -> str:
        """The answer as JSON, once the talk is open. Raises RpcError for a senseless payload."""
        if invocation.caller_identity != self.config.caller_identity:
            return _answer(changed=False)
        update = _parse(invocation.payload)
        await self.opened.wait()
        if self._left <= 0:
            return _answer(changed=False)
        changed = await self._set_instructions(update.instructions)
        changed |= self._set_output_tokens(update.max_output_tokens)
        changed |= self._set_temperature(update.temperature)
        changed |= bool(update.voice) and self.engine.set_voice(update.voice)
        self._left -= changed
        return _answer(changed=changed)

    async def _set_instructions(self, instructions: str) -> bool:
        if self.config.instructions_locked or not instructions.strip():
            return False
        if instructions == self._instructions:
            return False
        self.instructions.base = instructions
        await self.agent.update_instructions(self.instructions.text)
        self._instructions = instructions
        return True

    def _set_output_tokens(self, wanted: int | str | None) -> bool:
        tokens = wanted if isinstance(wanted, int) else None
        if tokens == self._output_tokens:
            return False
        self._output_tokens = tokens
        return self.engine.set_output_tokens(tokens)

    def _set_temperature(self, wanted: float | None) -> bool:
        if wanted is None or wanted == self._temperature:
            return False
        self._temperature = wanted
        return self.engine.set_temperature(wanted)


def _parse(payload: str) -> ConfigUpdate:
    try:
        update = ConfigUpdate.model_validate_json(payload)
    except ValidationError as problem:
        raise _refusal(f"invalid configuration: {problem.error_count()} problems") from None
    tokens = update.max_output_tokens
    if isinstance(tokens, str) and tokens.strip():
        raise _refusal("max_output_tokens must be a number or empty")
    if isinstance(tokens, int) and not 1 <= tokens <= OUTPUT_TOKENS_MAX:
        raise _refusal(f"max_output_tokens must be between 1 and {OUTPUT_TOKENS_MAX}")
    return update


def _refusal(message: str) -> rtc.RpcError:
    return rtc.RpcError(rtc.RpcError.ErrorCode.APPLICATION_ERROR, message)


def _answer(*, changed: bool) -> str:
    return json.dumps({"changed": changed})
