"""What the reception asks the control plane; outcomes as in `charging_client.py`."""

from collections.abc import Awaitable
from typing import Protocol
from uuid import UUID

from pydantic import BaseModel

from agent.charging_client import AnswerT
from shared.phone_protocol import (
    AskForCall,
    EnterDigits,
    GreetCaller,
    PhoneCall,
    Verdict,
    Welcome,
)


class Asks(Protocol):
    """`ChargingClient.ask`: raises Refused or Unknown."""

    def __call__(
        self, path: str, body: BaseModel, answer: type[AnswerT], /
    ) -> Awaitable[AnswerT]: ...


class DeskClient:
    """The three questions of one telephone call."""

    def __init__(self, ask: Asks, *, from_number: str, to_number: str) -> None:
        self._ask = ask
        self._from = from_number
        self._to = to_number

    async def greet(self) -> Welcome:
        caller = GreetCaller(from_number=self._from, to_number=self._to)
        return await self._ask("/phone/greet", caller, Welcome)

    async def enter(self, digits: str) -> Verdict:
        entered = EnterDigits(from_number=self._from, to_number=self._to, digits=digits)
        return await self._ask("/phone/digits", entered, Verdict)

    async def place(self, entry_id: UUID, wish: AskForCall) -> PhoneCall:
        return await self._ask(f"/phone/entries/{entry_id}/call", wish, PhoneCall)
