"""API keys in tests: made through the route, shown to a route that tells who asks."""

import json
from dataclasses import dataclass
from typing import Annotated, Any

import httpx2

from control_plane.callers import ApiCaller, KeyHolder, Scope, needs_scope
from tests.web_process import Caller, Web

WHO = "/api/v1/test/who"
SPEAK = "/api/v1/test/speak"


@dataclass(frozen=True, slots=True)
class Key:
    """A key, and what the list says of it."""

    web: Web
    key: str
    row: dict[str, Any]

    @property
    def id(self) -> str:
        key_id: str = self.row["id"]
        return key_id

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.key}"}

    async def ask(self, path: str = WHO) -> httpx2.Response:
        return await self.web.client.get(path, headers=self.headers)


async def make_key(owner: Caller, **fields: Any) -> Key:
    answer = await owner.post("/api/api-keys", json.dumps({"name": "a program", **fields}))
    assert answer.status_code == 201, answer.text
    return Key(owner.web, answer.json()["key"], answer.json()["data"])


def add_key_routes(web: Web) -> None:
    """WHO answers to every key, SPEAK to those that may generate speech."""

    async def who(caller: KeyHolder) -> dict[str, Any]:
        return {
            "user_id": caller.user_id,
            "api_key_id": caller.api_key_id,
            "is_paid": caller.is_paid,
            "scopes": sorted(caller.scopes),
        }

    async def speak(
        caller: Annotated[ApiCaller, needs_scope(Scope.SPEECH_GENERATE)],
    ) -> dict[str, Any]:
        return {"api_key_id": caller.api_key_id}

    web.app.add_api_route(WHO, who, methods=["GET"])
    web.app.add_api_route(SPEAK, speak, methods=["GET"])
