"""
`pg.updateConfig`: the caller's page changes the call while it runs.

Only the caller of this call is obeyed, and a locked prompt is never replaced. What the running
session cannot change is left as it is; the answer says whether anything changed.
"""

import json
from dataclasses import dataclass, field

from livekit import rtc
from livekit.agents import Agent
from livekit.plugins.openai.realtime import RealtimeSession
from pydantic import BaseModel, ConfigDict, Field, StrictInt, ValidationError

from shared.call_protocol import CallConfig
from shared.log import get_logger

log = get_logger(__name__)

METHOD = "pg.updateConfig"
INSTRUCTIONS_MAX = 20_000  # characters
OUTPUT_TOKENS_MAX = 4096  # what the realtime API takes


class ConfigUpdate(BaseModel):
    """As upstream's page sends it; an empty `max_output_tokens` means no limit."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    instructions: str = Field(default="", max_length=INSTRUCTIONS_MAX)
    max_output_tokens: StrictInt | str | None = None
    model: str = ""
    temperature: float | None = None
    voice: str = ""


@dataclass(slots=True)
class ConfigUpdates:
    """Handles the RPC for one call."""

    config: CallConfig
    agent: Agent
    _instructions: str = field(init=False)
    _output_tokens: int | None = field(init=False)

    def __post_init__(self) -> None:
        self._instructions = self.config.instructions
        self._output_tokens = self.config.max_output_tokens

    async def handle(self, invocation: rtc.RpcInvocationData) -> str:
        """The answer as JSON. Raises RpcError for a payload that makes no sense."""
        if invocation.caller_identity != self.config.caller_identity:
            return _answer(changed=False)
        update = _parse(invocation.payload)
        changed = await self._set_instructions(update.instructions)
        changed |= self._set_output_tokens(update.max_output_tokens)
        return _answer(changed=changed)

    async def _set_instructions(self, instructions: str) -> bool:
        if self.config.instructions_locked or not instructions.strip():
            return False
        if instructions == self._instructions:
            return False
        await self.agent.update_instructions(instructions)
        self._instructions = instructions
        return True

    def _set_output_tokens(self, wanted: int | str | None) -> bool:
        tokens = wanted if isinstance(wanted, int) else None
        if tokens == self._output_tokens:
            return False
        set_output_tokens(self.agent, tokens)
        self._output_tokens = tokens
        return True


def set_output_tokens(agent: Agent, tokens: int | None) -> None:
    """Limit what the model may say in one turn."""
    session = agent.realtime_llm_session
    assert isinstance(session, RealtimeSession)
    session.update_options(max_response_output_tokens=tokens or "inf")


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
