"""The way of this call's tools to the control plane."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from pydantic import BaseModel

from agent.charging_client import ChargingClient
from agent.tools.port import AnswerT

Ask = Callable[[Any], Awaitable[Any]]


@dataclass(frozen=True, slots=True)
class ToolLine:
    """`run`: lets the loop that owns the client do it, and brings the answer back."""

    client: ChargingClient
    call_id: UUID
    run: Ask

    async def ask(self, tool: str, request: BaseModel, answer: type[AnswerT]) -> AnswerT:
        """Raises Refused or Unknown."""
        asked = self.client.ask_tool(self.call_id, tool, request, answer)
        answered: AnswerT = await self.run(asked)
        return answered
