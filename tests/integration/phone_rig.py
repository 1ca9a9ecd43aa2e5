"""People with telephones: through the public routes, and by what a trunk would say of them."""

import json
import secrets
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from tests.web_process import Caller, Web

OURS = "+49305550100"
PIN = "274915"


def a_number() -> str:
    """Nobody else's in this session."""
    return f"+4915{secrets.randbelow(10**9):09d}"


@dataclass(frozen=True, slots=True)
class Phone:
    """A telephone, and its owner when it has one."""

    web: Web
    number: str
    owner: Caller | None = None

    async def greeted(self) -> dict[str, Any]:
        return await self._ask("/phone/greet", {})

    async def enters(self, digits: str) -> dict[str, Any]:
        return await self._ask("/phone/digits", {"digits": digits})

    async def asks_for_call(self, entry_id: str, **wish: Any) -> dict[str, Any]:
        room_name = f"phone_{OURS}_{secrets.token_hex(4)}"
        body = {"room_name": room_name, "credits_per_minute_max": 10_000, **wish}
        answer = await self.web.internal(f"/phone/entries/{entry_id}/call", body)
        assert answer.status_code == 200, answer.text
        told: dict[str, Any] = answer.json()
        return told

    async def calls(self, **wish: Any) -> dict[str, Any]:
        """With the right PIN."""
        verdict = await self.enters(PIN)
        assert verdict["outcome"] == "entered", verdict
        return await self.asks_for_call(verdict["entry_id"], **wish)

    async def _ask(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        body = {"from_number": self.number, "to_number": OURS, **body}
        answer = await self.web.internal(path, body)
        assert answer.status_code == 200, answer.text
        told: dict[str, Any] = answer.json()
        return told


async def put(owner: Caller, path: str, body: Any) -> Any:
    return await owner.web.client.put(path, content=json.dumps(body), headers=owner.headers)


async def set_pin(owner: Caller, pin: str = PIN) -> None:
    answer = await put(owner, "/api/phone-pin", {"pin": pin})
    assert answer.status_code == 200, answer.text


async def claimed(owner: Caller, number: str, **fields: Any) -> dict[str, Any]:
    answer = await owner.post("/api/phone-numbers", json.dumps({"number": number, **fields}))
    assert answer.status_code == 201, answer.text
    told: dict[str, Any] = answer.json()
    return told


async def verified(owner: Caller, number: str | None = None, **fields: Any) -> Phone:
    """A telephone of `owner`, whose PIN is PIN."""
    phone = Phone(owner.web, number or a_number(), owner)
    code = (await claimed(owner, phone.number, **fields))["code"]
    assert (await phone.enters(code))["outcome"] == "verified"
    await set_pin(owner)
    return phone


async def a_phone_number(owner: Caller) -> dict[str, str]:
    """For `owned_resources.py`."""
    return {"number_id": (await claimed(owner, a_number()))["data"]["id"]}


def uuid_of(told: dict[str, Any]) -> UUID:
    return UUID(told["call_id"])
