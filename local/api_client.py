"""The control plane as a caller's page sees it: plain HTTP, no code shared with the server."""

from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import httpx2

TIMEOUT_S = 15  # for one answer; a token may wait for a dispatch


class ApiRefused(Exception):
    """The control plane said no. `status` 0 means that it did not answer at all."""

    def __init__(self, status: int, message: str, *, retry_after_s: float | None = None) -> None:
        super().__init__(f"{status}: {message}" if status else message)
        self.status = status
        self.message = message
        self.retry_after_s = retry_after_s


@dataclass(frozen=True, slots=True)
class CallToken:
    """What POST /api/call-token answers."""

    access_token: str
    url: str
    call_id: str
    credits_per_minute: int
    max_seconds: int


@dataclass(frozen=True, slots=True)
class Balance:
    """Credits: all, held for calls, free to use, owed."""

    amount: int
    reserved: int
    available: int
    debt: int


@dataclass(frozen=True, slots=True)
class CallRecord:
    """What GET /api/calls/{id} answers of a call; `body` holds all of it."""

    status: str
    end_reason: str | None
    ended: bool
    billed_s: int
    credits_used: float  # for display; the ledger keeps whole micro-credits
    body: dict[str, Any]


class ApiClient:
    """One signed-in person. Every method raises ApiRefused."""

    def __init__(self, control_plane_url: str) -> None:
        self._http = httpx2.AsyncClient(
            base_url=control_plane_url, timeout=TIMEOUT_S, trust_env=False
        )
        self.user_id = ""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        _type: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        await self._http.aclose()

    async def sign_in(self, email: str) -> None:
        """Only where the stack is local. A new person gets the sign-up credits."""
        answer = await self.request("POST", "/dev/session", {"email": email})
        self.user_id = str(answer["userId"])
        self._http.headers["Authorization"] = f"Bearer {answer['token']}"

    async def call_token(self, *, instructions: str, language: str, voice: str) -> CallToken:
        body = {
            "instructions": instructions,
            "language": language,
            "selectedPresetId": None,
            "sessionConfig": {
                "maxOutputTokens": None,
                "model": "",
                "temperature": 0.8,
                "voice": voice,
            },
        }
        answer = await self.request("POST", "/api/call-token", body)
        return CallToken(
            access_token=answer["accessToken"],
            url=answer["url"],
            call_id=str(answer["callId"]),
            credits_per_minute=answer["creditsPerMinute"],
            max_seconds=answer["maxSeconds"],
        )

    async def balance(self) -> Balance:
        answer = await self.request("GET", "/api/credits")
        names = ("amount", "reserved", "available", "debt")
        return Balance(**{name: answer[name] for name in names})

    async def call(self, call_id: str) -> CallRecord:
        body = await self.request("GET", f"/api/calls/{call_id}")
        return CallRecord(
            status=body["status"],
            end_reason=body["endReason"],
            ended=body["endedAt"] is not None,
            billed_s=body["billedSeconds"] or 0,
            credits_used=body["creditsUsed"] or 0,
            body=body,
        )

    async def request(
        self, method: str, path: str, body: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        """The JSON object that is answered with a 2xx status."""
        try:
            response = await self._http.request(method, path, json=body)
        except httpx2.HTTPError as error:
            raise ApiRefused(0, f"no answer ({type(error).__name__})") from error
        if not response.is_success:
            raise _refusal(response)
        answer: dict[str, Any] = response.json()
        return answer


def _refusal(response: httpx2.Response) -> ApiRefused:
    try:
        message = str(response.json()["error"])
    except (ValueError, KeyError, TypeError):
        message = response.reason_phrase
    wait = response.headers.get("Retry-After", "")
    return ApiRefused(
        response.status_code, message, retry_after_s=float(wait) if wait.isdigit() else None
    )
