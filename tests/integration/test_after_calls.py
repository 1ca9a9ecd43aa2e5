"""The work after calls: once each, whatever dies."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import pytest
import pytest_asyncio

from control_plane.after_calls.work import ATTEMPTS_MAX
from shared.ids import new_uuid
from tests.integration.after_call_rig import (
    NOTES,
    TURNS,
    ChatModel,
    a_call,
    analyses,
    contents,
    in_list,
    say,
    worker,
)
from tests.integration.receipted_calls import LET_PASS
from tests.web_process import Caller, Media, Web, running_web, web_settings


@pytest_asyncio.fixture
async def model() -> AsyncIterator[ChatModel]:
    async with ChatModel().serving() as serving:
        yield serving


@pytest_asyncio.fixture
async def ann(web: Web) -> Caller:
    return await web.account(paid=True, balance=500_000)


async def test_a_call_gets_title_highlights_and_memories_in_one_question(
    ann: Caller, model: ChatModel
) -> None:
    call_id = await a_call(ann)
    async with worker(ann.web, model) as work:
        assert await work.work_once() == "done"
        assert await work.work_once() is None
    assert len(model.asked) == 1
    call = await in_list(ann)
    assert (call["title"], call["highlights"]) == (NOTES["title"], NOTES["highlights"])
    assert (await ann.get(f"/api/calls/{call_id}")).json()["title"] == NOTES["title"]
    assert await contents(ann) == ["The caller's sister lives in London."]
    assert await analyses(ann.web) == 0, "operators have not switched it on"
    system, user = (message["content"] for message in model.asked[0]["messages"])
    assert "London" in user
    assert "London" not in system


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, ("done", 1, 1)),
        ({"seconds": 119}, ("done", 1, 0)),
        ({"turns": []}, ("skipped", 0, 0)),
        ({"turns": [("assistant", "Hello?")]}, ("skipped", 0, 0)),
        ({"seconds": 0}, ("skipped", 0, 0)),
    ],
    ids=["long", "under two minutes", "no words", "nobody answered", "never began"],
)
async def test_upstreams_conditions_decide_what_is_analysed(
    ann: Caller, model: ChatModel, changes: Any, expected: tuple[str, int, int]
) -> None:
    await a_call(ann, **changes)
    async with worker(ann.web, model, call_analysis=True) as work:
        outcome = await work.work_once()
    assert (outcome, len(model.asked), await analyses(ann.web)) == expected


async def test_a_call_that_still_runs_is_left_alone(ann: Caller, model: ChatModel) -> None:
    answer = await ann.ask_for_call(memory=True)
    assert answer.status_code == 200
    async with worker(ann.web, model) as work:
        assert await work.work_once() is None


async def test_many_workers_ask_once_and_a_dead_ones_lease_ends(
    ann: Caller, model: ChatModel
) -> None:
    call_id = await a_call(ann)
    model.gate.clear()
    async with worker(ann.web, model) as work:
        dying = asyncio.create_task(work.work_once())
        async with asyncio.timeout(10):
            while not model.asked:
                await asyncio.sleep(0.02)
        assert await work.work_once() is None, "it is somebody's"
        dying.cancel()
        await asyncio.gather(dying, return_exceptions=True)
        model.gate.set()
        assert await work.work_once() is None, "still leased"
        await ann.web.db.execute(
            "update after_calls set lease_until = clock_timestamp() - interval '1 s'"
        )
        assert await work.work_once(call_id) == "done"
    assert len(await contents(ann)) == 1


async def test_who_lost_the_lease_writes_nothing(ann: Caller, model: ChatModel) -> None:
    await a_call(ann)
    model.gate.clear()
    async with worker(ann.web, model) as work:
        slow = asyncio.create_task(work.work_once())
        async with asyncio.timeout(10):
            while not model.asked:
                await asyncio.sleep(0.02)
        await ann.web.db.execute("update after_calls set lease = gen_random_uuid()")
        model.gate.set()
        assert await slow == "lost"
    assert await contents(ann) == []


@pytest.mark.parametrize(("status", "answer"), [(500, "{}"), (200, "I would rather not.")])
async def test_a_failing_model_is_asked_again_and_given_up(
    ann: Caller, model: ChatModel, status: int, answer: str
) -> None:
    await a_call(ann)
    model.status, model.answer = status, answer
    outcomes = []
    async with worker(ann.web, model) as work:
        for _ in range(ATTEMPTS_MAX):
            outcomes.append(await work.work_once())
            assert await work.work_once() is None, "not at once"
            await ann.web.db.execute("update after_calls set not_before = clock_timestamp()")
    assert outcomes == ["put_off"] * (ATTEMPTS_MAX - 1) + ["failed"]
    assert await in_list(ann) is not None


async def test_what_is_erased_while_the_work_is_to_come_does_not_come_back(
    ann: Caller, model: ChatModel
) -> None:
    await a_call(ann)
    await ann.web.client.delete("/api/memories", headers=ann.headers)
    async with worker(ann.web, model) as work:
        assert await work.work_once() == "done"
    assert await contents(ann) == []


async def test_what_is_erased_while_the_model_writes_does_not_come_back(
    ann: Caller, model: ChatModel
) -> None:
    await a_call(ann)
    model.gate.clear()
    async with worker(ann.web, model) as work:
        working = asyncio.create_task(work.work_once())
        async with asyncio.timeout(10):
            while not model.asked:
                await asyncio.sleep(0.02)
        await ann.web.client.delete("/api/memories", headers=ann.headers)
        model.gate.set()
        assert await working == "done"
    assert await contents(ann) == []


async def test_what_a_caller_had_forgotten_in_the_call_is_not_remembered_after_it(
    ann: Caller, model: ChatModel
) -> None:
    answer = await ann.ask_for_call(memory=True)
    call_id = answer.json()["callId"]
    order = {"worker_id": "w1", "job_id": call_id}
    await ann.web.internal(f"/calls/{call_id}/start", order)
    forgotten = await ann.web.internal(
        f"/calls/{call_id}/tools/forget", {"epoch": 1, "words": "that my sister lives in London"}
    )
    assert forgotten.json() == {"count": 0}
    await say(ann, UUID(call_id), TURNS)
    await ann.web.db.execute(LET_PASS, UUID(call_id), 60)
    report = {"id": call_id, "epoch": 1, "seconds": 30}
    await ann.web.internal("/calls/settle", {"worker_id": "w1", "calls": [report]})
    close = {"worker_id": "w1", "epoch": 1, "seconds": 30, "reason": "caller_hangup"}
    await ann.web.internal(f"/calls/{call_id}/close", close)
    await ann.web.db.execute("update call_sessions set ended_at = ended_at - interval '1 minute'")
    async with worker(ann.web, model) as work:
        assert await work.work_once() == "done"
    assert await contents(ann) == []
    assert await ann.web.db.fetchval("select count(*) from memory_forgets") == 0


SECRET = "the secret of who asks for analyses"


async def test_another_system_asks_for_one_call_by_upstreams_route(
    db_dsn: str, media: Media, model: ChatModel
) -> None:
    settings = web_settings(db_dsn, media, call_summary_secret=SECRET)
    async with running_web(settings) as web:
        ann = await web.account(paid=True, balance=500_000)
        call_id = await a_call(ann)
        await web.db.execute(
            "update after_calls set not_before = clock_timestamp() + interval '1 h'"
        )

        async def ask(body: Any, secret: str = SECRET) -> tuple[int, Any]:
            answer = await web.client.post(
                "/api/call-sessions/analyze",
                content=json.dumps(body),
                headers={"Authorization": f"Bearer {secret}"},
            )
            return answer.status_code, answer.json()

        assert (await ask({"id": str(call_id)}, "a wrong secret"))[0] == 401
        assert (await ask({}))[0] == 400
        assert (await ask({"id": str(new_uuid())}))[0] == 404
        assert await ask({"id": str(call_id)}) == (200, {"ok": True})
        async with worker(web, model) as work:
            assert await work.work_once() == "done"
        assert await ask({"id": str(call_id)}) == (200, {"skipped": True})


async def test_without_a_secret_nobody_asks_for_analyses(web: Web) -> None:
    answer = await web.client.post("/api/call-sessions/analyze", content="{}")
    assert answer.status_code == 404
