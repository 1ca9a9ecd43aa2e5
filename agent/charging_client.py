"""
The agent's side of /internal/v1.

Across a network an outcome has three values. An answer is returned; `Refused` means the control
plane understood and said no; `Unknown` means nobody can tell whether it happened, so it is sent
again. Every message is absolute and repeatable, which is why sending again is always right.
"""

from typing import Self, TypeVar
from uuid import UUID

import httpx2
from pydantic import BaseModel, SecretStr, ValidationError

from shared.call_protocol import (
    CallConfig,
    CloseAnswer,
    CloseCall,
    SettleAnswer,
    SettleReport,
    StartCall,
    TranscriptReport,
    WorkerReport,
)

TIMEOUT_S = 5.0  # a settle takes 10 ms; who needs longer is as good as away
CONNECTIONS_MAX = 8  # of one process; closes go out side by side
# Only these speak about the call. A 401 while a credential is changed, or a 502 of some proxy, says
# nothing about it: giving up there would lose money.
REFUSAL_STATUS = frozenset({400, 404, 409, 410, 422})


AnswerT = TypeVar("AnswerT", bound=BaseModel)


class Refused(Exception):
    """The control plane said no; sending the same again would change nothing."""

    def __init__(self, status: int) -> None:
        super().__init__(f"refused with status {status}")
        self.status = status


class Unknown(Exception):
    """No usable answer: it may have happened or not."""


class ChargingClient:
    """One connection pool to the control plane, for one event loop."""

    def __init__(self, base_url: str, token: SecretStr) -> None:
        self._http = httpx2.AsyncClient(
            base_url=f"{base_url}/internal/v1",
            headers={"Authorization": f"Bearer {token.get_secret_value()}"},
            timeout=TIMEOUT_S,
            limits=httpx2.Limits(max_connections=CONNECTIONS_MAX),
            trust_env=False,  # a proxy of the machine is not for our own control plane
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.aclose()

    async def start(self, call_id: UUID, request: StartCall) -> CallConfig:
        return await self._post(f"/calls/{call_id}/start", request, CallConfig)

    async def settle(self, report: SettleReport) -> SettleAnswer:
        return await self._post("/calls/settle", report, SettleAnswer)

    async def close(self, call_id: UUID, request: CloseCall) -> CloseAnswer:
        return await self._post(f"/calls/{call_id}/close", request, CloseAnswer)

    async def post_transcript(self, call_id: UUID, report: TranscriptReport) -> None:
        await self._send(f"/calls/{call_id}/transcript", report)

    async def ask(self, path: str, body: BaseModel, answer: type[AnswerT]) -> AnswerT:
        """A question of another part of the protocol. Raises Refused or Unknown."""
        return await self._post(path, body, answer)

    async def ask_tool(
        self, call_id: UUID, tool: str, request: BaseModel, answer: type[AnswerT]
    ) -> AnswerT:
        """For a tool in a call; see `shared/tool_protocol.py`."""
        return await self._post(f"/calls/{call_id}/tools/{tool}", request, answer)

    async def report_worker(self, report: WorkerReport) -> None:
        await self._send("/workers", report)

    async def _post(self, path: str, body: BaseModel, answer: type[AnswerT]) -> AnswerT:
        response = await self._send(path, body)
        try:
            return answer.model_validate_json(response.content)
        except ValidationError as problem:
            raise Unknown(f"unreadable answer: {problem.error_count()} problems") from None

    async def _send(self, path: str, body: BaseModel) -> httpx2.Response:
        try:
            response = await self._http.post(
                path,
                # A field that is empty may be one that the control plane does not know yet.
                content=body.model_dump_json(exclude_defaults=True),
                headers={"Content-Type": "application/json"},
            )
        except httpx2.HTTPError as problem:
            raise Unknown(type(problem).__name__) from None
        if response.is_success:
            return response
        if response.status_code in REFUSAL_STATUS:
            raise Refused(response.status_code)
        raise Unknown(f"status {response.status_code}")
