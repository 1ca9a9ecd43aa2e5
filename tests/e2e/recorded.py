"""Calls on a stack whose operator has recordings asked for, and what can be heard in them."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx2
from livekit import rtc

from local.api_client import ApiRefused, CallToken
from local.call_result import CallResult
from local.caller import SimulatedCaller
from local.stack import Stack
from shared.call_protocol import TOPIC_NOTICE, Notice
from tests.e2e.customer import ask, settled, signed_in
from tests.e2e.handset import Handset, joined
from tests.e2e.ledger import connect
from tests.tapes import Tape, tape_of

METHOD = "pg.recordingConsent"
DELIVERED_WITHIN_S = 20
NOT_FOUND = 404
AT_ONCE = asyncio.Semaphore(2)  # a stopwatch needs a machine that is not too busy
QUESTION = "May this call be recorded?"


@dataclass(slots=True)
class Asked:
    """A caller in a room. `notices` are what the page is told."""

    stack: Stack
    caller: SimulatedCaller
    token: CallToken
    handset: Handset
    notices: list[Notice] = field(default_factory=list)
    on_s: float = 0.0  # when the page was told that the recording runs
    left_s: float = 0.0

    @property
    def kinds(self) -> list[str]:
        return [notice.kind for notice in self.notices]

    async def told(self, kind: str, *, timeout_s: float = 40) -> Notice:
        await self.handset.until(lambda: kind in self.kinds, kind, timeout_s=timeout_s)
        return next(notice for notice in self.notices if notice.kind == kind)

    async def decide(self, *, yes: bool) -> Any:
        return await self.handset.ask_agent(METHOD, json.dumps({"consent": yes}))

    async def leave(self) -> CallResult:
        """Hang up, and the bill, with the stopwatch of who called."""
        self.left_s = time.monotonic()
        await self.handset.room.disconnect()
        result = await settled(self.caller, self.token)
        assert self.handset.first_heard_at_s
        result.talked_s = self.left_s - self.handset.first_heard_at_s
        return result

    async def recording(self, *, within_s: float = DELIVERED_WITHIN_S) -> dict[str, Any] | None:
        """What GET says of it once it is there; None when it does not come."""
        deadline_s = time.monotonic() + within_s
        while time.monotonic() < deadline_s:
            try:
                found: dict[str, Any] = await self.caller.api.request(
                    "GET", f"/api/calls/{self.token.call_id}/recording"
                )
            except ApiRefused as refused:
                if refused.status != NOT_FOUND:
                    raise
                await asyncio.sleep(0.1)
            else:
                return found
        return None

    async def consents(self) -> list[dict[str, Any]]:
        return await consents_of(self.stack, self.token.call_id)


@asynccontextmanager
async def asked(stack: Stack, caller: SimulatedCaller | None = None) -> AsyncIterator[Asked]:
    """In the room with an open microphone; the question is still to come."""
    caller = caller or await signed_in(stack)
    try:
        async with AT_ONCE:
            token = await ask(caller)
            async with _in_the_room(stack, caller, token) as call:
                yield call
    finally:
        await caller.close()


@asynccontextmanager
async def _in_the_room(
    stack: Stack, caller: SimulatedCaller, token: CallToken
) -> AsyncIterator[Asked]:
    async with joined(token.url, token.access_token) as handset:
        call = Asked(stack, caller, token, handset)

        def on_data(packet: rtc.DataPacket) -> None:
            if packet.topic == TOPIC_NOTICE:
                call.notices.append(Notice.model_validate_json(packet.data))
                if call.kinds[-1] == "recording_on":
                    call.on_s = time.monotonic()

        handset.room.on("data_received", on_data)
        await handset.open_microphone()
        yield call


async def consents_of(stack: Stack, call_id: str) -> list[dict[str, Any]]:
    connection = await connect(stack)
    try:
        rows = await connection.fetch(
            "select * from recording_consents where call_id = $1 order by epoch", UUID(call_id)
        )
    finally:
        await connection.close()
    return [dict(row) for row in rows]


def shelf_of(stack: Stack) -> list[Path]:
    """Files of recordings that are written, or wait."""
    return sorted(Path(stack.layout.data / "journal" / "recordings").glob("*"))


async def tape_at(url: str) -> Tape:
    async with httpx2.AsyncClient(timeout=10, trust_env=False) as client:
        answer = await client.get(url)
    assert answer.is_success, answer.text
    return tape_of(answer.content)
