"""Staff at the web process: sessions with a role, and what they ask for."""

import json
from dataclasses import dataclass
from typing import Any

import httpx2

from shared.ids import new_uuid
from tests.web_process import Web, session_token

WHY = "a ticket of the tests"


@dataclass(frozen=True, slots=True)
class Staff:
    web: Web
    role: str | None
    subject: str = "staff-1"

    @property
    def headers(self) -> dict[str, str]:
        claims: dict[str, Any] = {"app_metadata": {"role": self.role}} if self.role else {}
        return {"Authorization": f"Bearer {session_token(sub=self.subject, **claims)}"}

    async def get(self, path: str) -> httpx2.Response:
        return await self.web.client.get(path, headers=self.headers)

    async def post(self, path: str, body: Any, *, key: str | None = None) -> httpx2.Response:
        """With a fresh idempotency key, or with `key`; "" for none."""
        headers = dict(self.headers)
        if key != "":
            headers["Idempotency-Key"] = key or str(new_uuid())
        return await self.web.client.post(path, content=json.dumps(body), headers=headers)

    async def act(
        self, verb: str, user_id: object, *, key: str | None = None, **body: Any
    ) -> httpx2.Response:
        wish = {"reason": WHY, **body}
        return await self.post(f"/api/operator/accounts/{user_id}/{verb}", wish, key=key)
