"""
Requests of a worker, heard and sent again by somebody with its credential, or by a lost proxy.

The credential is one for all workers, on a private network, so a replay is not told from a repeat:
it is answered, and changes nothing.
"""

from typing import Any
from uuid import UUID

import pytest

from agent.charger import RETRY_MAX_S, SETTLE_EVERY_S
from tests import builders
from tests.integration.test_routes_internal import WORKER, begin, close_order, start, talked
from tests.web_process import Web

ORIGINAL: dict[str, dict[str, Any]] = {
    "start": {**WORKER, "job_id": "job-1"},
    "settle": {"seconds": 40, "epoch": 1},
    "close": close_order(40),
}


async def _replay(web: Web, call_id: str, what: str) -> tuple[int, Any]:
    """The status, and what it says of the call."""
    if what == "settle":
        report = {"id": call_id, **ORIGINAL["settle"]}
        answer = await web.internal("/calls/settle", {**WORKER, "calls": [report]})
        return answer.status_code, answer.json()["calls"][0]["standing"]
    answer = await web.internal(f"/calls/{call_id}/{what}", ORIGINAL[what])
    return answer.status_code, answer.json().get("code", answer.json().get("already_closed"))


async def _settled(web: Web, call_id: str, *, seconds: int, epoch: int) -> None:
    report = {"id": call_id, "epoch": epoch, "seconds": seconds}
    answer = await web.internal("/calls/settle", {**WORKER, "calls": [report]})
    assert answer.json()["calls"][0]["standing"] == "open"


async def _books(web: Web, call_id: str) -> tuple[dict[str, str], Any]:
    """Fingerprints of the tables of money, and the call without the time it was last seen."""
    prints = await builders.fingerprint(web.db)
    prints.pop("call_sessions")
    call = await web.db.fetchrow(
        "select state, epoch, seconds, granted, cost, worker_id, job_id, ended_at, end_reason "
        "from call_sessions where id = $1",
        UUID(call_id),
    )
    return prints, call


async def test_replayed_requests_of_a_running_call_change_nothing(web: Web) -> None:
    """Its own agent is further by now: the old watermark is below what is billed."""
    call_id = await begin(await web.account())
    await start(web, call_id)
    await talked(web, call_id, ago_s=100)
    await _settled(web, call_id, seconds=60, epoch=1)
    before = await _books(web, call_id)

    assert await _replay(web, call_id, "start") == (200, None)
    assert await _replay(web, call_id, "settle") == (200, "open")

    assert await _books(web, call_id) == before


async def test_replayed_requests_of_a_lost_agent_change_nothing(web: Web) -> None:
    """Another agent holds the call: the old one is refused with a code, and billed nothing."""
    call_id = await begin(await web.account())
    await start(web, call_id)
    await talked(web, call_id, ago_s=100)
    await web.db.execute("update call_sessions set last_seen_at = now() - interval '1 minute'")
    await start(web, call_id, job="job-2")
    before = await _books(web, call_id)

    assert await _replay(web, call_id, "start") == (409, "call_taken")
    assert await _replay(web, call_id, "settle") == (200, "fenced")
    assert await _replay(web, call_id, "close") == (409, "fenced")

    assert await _books(web, call_id) == before


async def test_an_agent_between_two_reports_keeps_its_call(web: Web) -> None:
    """It reports every ten seconds at best: a second agent must not find it silent in between."""
    call_id = await begin(await web.account())
    await start(web, call_id)
    await web.db.execute(
        "update call_sessions set last_seen_at = now() - make_interval(secs => $1)",
        SETTLE_EVERY_S + RETRY_MAX_S,
    )

    taken = await web.internal(f"/calls/{call_id}/start", {**WORKER, "job_id": "job-2"})

    assert (taken.status_code, taken.json()["code"]) == (409, "call_taken")


@pytest.mark.parametrize(
    ("what", "answer"),
    [("start", (409, "call_closed")), ("settle", (200, "closed")), ("close", (200, True))],
)
async def test_replayed_requests_of_a_closed_call_change_nothing(
    web: Web, what: str, answer: tuple[int, Any]
) -> None:
    call_id = await begin(await web.account())
    await start(web, call_id)
    await talked(web, call_id, ago_s=100)
    await web.internal(f"/calls/{call_id}/close", close_order(30))
    before = await _books(web, call_id)

    for _ in range(3):
        assert await _replay(web, call_id, what) == answer

    assert await _books(web, call_id) == before


async def test_a_credential_that_was_changed_opens_nothing(web: Web) -> None:
    """After a leak the credential is changed; what was recorded under the old one is worthless."""
    call_id = await begin(await web.account())
    before = await builders.fingerprint(web.db)

    for path, body in (
        ("/calls/settle", b"{}"),
        (f"/calls/{call_id}/start", b"{}"),
        (f"/calls/{call_id}/close", b"{}"),
    ):
        answer = await web.client.post(
            f"/internal/v1{path}",
            content=body,
            headers={"Authorization": "Bearer the credential of last year"},
        )
        assert answer.status_code == 401

    assert await builders.fingerprint(web.db) == before
