"""Calls that are held by an agent of the test, whose callers say yes; and recordings to hand in."""

from array import array
from dataclasses import dataclass
from functools import cache
from math import pi, sin
from typing import Any
from uuid import UUID

import httpx2

from agent.recording.shelf import Shelf
from agent.recording.tape import Tape
from agent.sound import RATE_HZ
from tests.integration.receipted_calls import billed_call
from tests.web_process import WORKER_CREDENTIAL, Caller, Web

STATEMENT = "May this call be recorded? Please choose yes or no on the page."
SECONDS = 3


@cache
def recording(seconds: int = SECONDS) -> bytes:
    """Ogg/Opus with a tone on the left."""
    from pathlib import Path
    from tempfile import TemporaryDirectory

    samples = array("h", bytes(seconds * RATE_HZ * 4))
    samples[0::2] = array(
        "h", [round(9_000 * sin(2 * pi * 440 * n / RATE_HZ)) for n in range(seconds * RATE_HZ)]
    )
    with TemporaryDirectory() as folder:
        shelf, call_id = Shelf(Path(folder)), UUID(int=1)
        tape = Tape(shelf, call_id, 1)
        tape.write(samples.tobytes())
        tape.close()
        return shelf.path_of(call_id, 1).read_bytes()


@dataclass(slots=True)
class HeldCall:
    """A call that the test's agent has started; `config` is what it was told."""

    owner: Caller
    call_id: UUID
    config: dict[str, Any]

    @property
    def web(self) -> Web:
        return self.owner.web

    @property
    def path(self) -> str:
        return f"/api/calls/{self.call_id}/recording"

    async def say(self, answer: str | None, *, epoch: int | None = None) -> httpx2.Response:
        """What the caller says, as the agent reports it; None: nothing yet."""
        body = {
            "epoch": self.config["epoch"] if epoch is None else epoch,
            "language": "en",
            "statement": STATEMENT,
            "answer": answer,
        }
        return await self.web.internal(f"/calls/{self.call_id}/recording-consent", body)

    async def withdraw(self, *, epoch: int | None = None) -> httpx2.Response:
        body = {"epoch": self.config["epoch"] if epoch is None else epoch}
        return await self.web.internal(f"/calls/{self.call_id}/recording-withdrawal", body)

    async def deliver(
        self, data: bytes | None = None, *, epoch: int | None = None
    ) -> httpx2.Response:
        return await self.web.client.post(
            f"/internal/v1/recordings/{self.call_id}",
            params={"epoch": self.config["epoch"] if epoch is None else epoch},
            content=recording() if data is None else data,
            headers={
                "Authorization": f"Bearer {WORKER_CREDENTIAL}",
                "Content-Type": "audio/ogg",
            },
        )

    async def close(self, seconds: int = 0) -> None:
        body = {
            "worker_id": "w1",
            "epoch": self.config["epoch"],
            "seconds": seconds,
            "reason": "caller_hangup",
        }
        answer = await self.web.internal(f"/calls/{self.call_id}/close", body)
        assert answer.status_code == 200, answer.text

    async def consents(self) -> list[dict[str, Any]]:
        rows = await self.web.db.fetch(
            "select * from recording_consents where call_id = $1 order by epoch", self.call_id
        )
        return [dict(row) for row in rows]

    async def recordings(self) -> int:
        """Rows of it."""
        count: int = await self.web.db.fetchval(
            "select count(*)::int from call_recordings where call_id = $1", self.call_id
        )
        return count

    async def audio(self) -> bytes | None:
        """What its owner hears; None when there is nothing."""
        view = await self.owner.get(self.path)
        if view.status_code == 404:
            return None
        assert view.status_code == 200, view.text
        found = await self.web.client.get(view.json()["url"])
        assert found.status_code == 200, found.text
        return found.content


async def held_call(owner: Caller, *, job_id: str = "job-1") -> HeldCall:
    answer = await owner.ask_for_call()
    assert answer.status_code == 200, answer.text
    call_id = UUID(answer.json()["callId"])
    return HeldCall(owner, call_id, await taken(owner.web, call_id, job_id=job_id))


async def taken(web: Web, call_id: UUID, *, job_id: str) -> dict[str, Any]:
    """What an agent is told that takes the call."""
    started = await web.internal(f"/calls/{call_id}/start", {"worker_id": "w1", "job_id": job_id})
    assert started.status_code == 200, started.text
    config: dict[str, Any] = started.json()
    return config


async def fall_silent(web: Web) -> None:
    """As if the agents of all calls had not reported for half a minute."""
    await web.db.execute(
        "update call_sessions set last_seen_at = last_seen_at - interval '30 seconds'"
    )


async def recorded_call(owner: Caller) -> HeldCall:
    """Over, with a yes and a recording."""
    call = await held_call(owner)
    assert (await call.say("yes")).status_code == 200
    await call.close()
    delivered = await call.deliver()
    assert delivered.status_code == 204, delivered.text
    return call


async def a_recording(owner: Caller) -> dict[str, str]:
    """For `owned_resources.py`: of a call that stands in the way of no other."""
    call_id = await billed_call(owner.web.app.state.services.pool, owner.account)
    call = HeldCall(owner, call_id, {"epoch": 1})
    assert (await call.say("yes")).status_code == 200
    delivered = await call.deliver()
    assert delivered.status_code == 204, delivered.text
    return {"call_id": str(call_id)}
