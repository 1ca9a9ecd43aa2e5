"""How long what was said in calls is kept: everywhere as long as its caller has set."""

import asyncio
import json
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from control_plane.after_calls.retention import TextRetention
from control_plane.after_calls.work import AfterCallSettingsOfWork
from tests import builders
from tests.integration.after_call_rig import (
    TURNS,
    ChatModel,
    a_call,
    a_placed_call,
    analyses,
    contents,
    held,
    in_list,
    say,
    set_to,
    texts_of,
    worker,
)
from tests.web_process import Caller, Web


@pytest_asyncio.fixture
async def model() -> AsyncIterator[ChatModel]:
    async with ChatModel().serving() as serving:
        yield serving


@pytest_asyncio.fixture
async def ann(web: Web) -> Caller:
    return await web.account(paid=True, balance=500_000)


async def test_no_retention_keeps_nothing_but_the_memory_that_was_wanted(
    ann: Caller, model: ChatModel
) -> None:
    await set_to(ann, retention="none", memory="lasting")
    call_id = await a_call(ann)
    async with worker(ann.web, model, call_analysis=True) as work:
        assert await work.work_once() == "done"
    await say(ann, call_id, [("user", "A late word.")], first=50)
    assert await texts_of(ann, call_id) == []
    call = await in_list(ann)
    assert (call["title"], call["highlights"]) == (None, [])
    assert await analyses(ann.web) == 0
    assert await contents(ann) == ["The caller's sister lives in London."]
    assert call["billedSeconds"] == 150


async def test_no_retention_and_no_memory_writes_no_word_down(
    ann: Caller, model: ChatModel
) -> None:
    await set_to(ann, retention="none", memory="off")
    call_id = await a_call(ann)
    count = await ann.web.db.fetchval("select count(*) from call_transcripts")
    assert count == 0
    async with worker(ann.web, model) as work:
        assert await work.work_once() == "skipped"
    assert model.asked == []
    assert await texts_of(ann, call_id) == []


AGE = "update after_calls set texts_until = texts_until - interval '31 days'"


@pytest.mark.parametrize("retention", ["30_days", "keep", None])
async def test_texts_go_after_30_days_unless_they_are_to_be_kept(
    ann: Caller, model: ChatModel, retention: str | None
) -> None:
    if retention:
        await set_to(ann, retention=retention)
    call_id = await a_call(ann)
    async with worker(ann.web, model, call_analysis=True) as work:
        await work.work_once()
    receipt = await ann.get(f"/api/calls/{call_id}/receipt")
    pool = ann.web.app.state.services.pool
    sweep = TextRetention(pool, AfterCallSettingsOfWork())
    assert await sweep.round() == 0
    assert len(await texts_of(ann, call_id)) == 3
    await ann.web.db.execute(AGE)
    swept = await sweep.round()
    kept = retention == "keep"
    assert swept == (0 if kept else 1)
    assert await texts_of(ann, call_id) == ([text for _, text in TURNS] if kept else [])
    assert ((await in_list(ann))["title"] is not None) is kept
    assert (await analyses(ann.web) == 1) is kept
    assert await contents(ann) == ["The caller's sister lives in London."]
    assert (await ann.get(f"/api/calls/{call_id}/receipt")).json() == receipt.json()
    assert await builders.violations(ann.web.db) == []


async def test_a_new_setting_holds_for_past_calls(ann: Caller, model: ChatModel) -> None:
    call_id = await a_call(ann)
    bob = await ann.web.account(paid=True, balance=500_000)
    bobs = await a_call(bob)
    async with worker(ann.web, model) as work:
        assert [await work.work_once() for _ in range(2)] == ["done", "done"]
    sweep = TextRetention(ann.web.app.state.services.pool, AfterCallSettingsOfWork())
    await set_to(ann, retention="none")
    assert await sweep.round() == 1
    assert await texts_of(ann, call_id) == []
    assert len(await texts_of(bob, bobs)) == 3


@pytest.mark.parametrize("retention", ["none", "30_days"])
async def test_a_call_that_an_older_web_process_placed_obeys_the_setting_too(
    ann: Caller, model: ChatModel, retention: str
) -> None:
    await set_to(ann, retention=retention)
    call_id = await a_placed_call(ann)
    await ann.web.db.execute("delete from after_calls")  # it knew of no such row
    await held(ann, call_id)
    assert len(await texts_of(ann, call_id)) == 3
    async with worker(ann.web, model) as work:
        assert await work.work_once() in {"done", "skipped"}
    await ann.web.db.execute(AGE)
    await TextRetention(ann.web.app.state.services.pool, AfterCallSettingsOfWork()).round()
    assert await texts_of(ann, call_id) == []


WAITING = "select exists(select from pg_stat_activity where wait_event_type = 'Lock')"


async def test_a_late_word_does_not_slip_past_the_end_of_the_work(ann: Caller) -> None:
    """It was let in while the work ended, after which nothing ever deleted it."""
    await set_to(ann, retention="none", memory="lasting")
    call_id = await a_call(ann, turns=[])
    async with ann.web.app.state.services.pool.acquire() as other:
        ending = other.transaction()
        await ending.start()
        await other.execute("update after_calls set state = 'done', done_at = clock_timestamp()")
        late = asyncio.create_task(say(ann, call_id, [("user", "A late word.")]))
        async with asyncio.timeout(10):
            while not (late.done() or await ann.web.db.fetchval(WAITING)):
                await asyncio.sleep(0.02)
        await ending.commit()
    await late
    assert await texts_of(ann, call_id) == []


WORD = "xylophonist"  # in everything that is said, and noted of it
TABLES = """
select c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace
where n.nspname = 'public' and c.relkind in ('r', 'p')
"""


async def tables_with(web: Web, word: str) -> set[str]:
    """Every table that holds a word in any column."""
    tables = [row["relname"] for row in await web.db.fetch(TABLES)]
    found = {
        table: await web.db.fetchval(
            f"select exists(select from {table} t where t::text ilike '%' || $1 || '%')", word
        )
        for table in tables
    }
    return {table for table, holds in found.items() if holds}


@pytest.mark.parametrize("memory", ["lasting", "off"])
@pytest.mark.parametrize("when", ["before the call", "after it", "30 days later"])
async def test_retention_leaves_no_word_of_a_call_in_any_table(
    ann: Caller, model: ChatModel, memory: str, when: str
) -> None:
    model.answer = json.dumps(
        {
            "title": f"About a {WORD}",
            "highlights": [f"The caller is a {WORD}."],
            "memories": [{"type": "job", "content": f"The caller is a {WORD}."}],
            "analysis": {"topic_category": WORD, "key_requests": [WORD]},
        }
    )
    await set_to(ann, memory=memory)
    if when == "before the call":
        await set_to(ann, retention="none")
    call_id = await a_call(ann, turns=[("user", f"I am a {WORD}."), ("assistant", f"A {WORD}!")])
    async with worker(ann.web, model, call_analysis=True) as work:
        await work.work_once()
    if when != "before the call":
        assert await tables_with(ann.web, WORD) >= {
            "call_transcripts",
            "after_calls",
            "call_session_analysis",
        }
    if when == "after it":
        await set_to(ann, retention="none")
    if when == "30 days later":
        await ann.web.db.execute(AGE)
    await TextRetention(ann.web.app.state.services.pool, AfterCallSettingsOfWork()).round()
    wanted = {"agent_memories"} if memory == "lasting" else set()
    assert await tables_with(ann.web, WORD) == wanted
    for path in ("/api/calls", f"/api/calls/{call_id}", f"/api/calls/{call_id}/receipt"):
        assert WORD not in (await ann.get(path)).text
    exported = (await ann.get("/api/memories/export")).text
    assert (WORD in exported) is (memory == "lasting"), "a memory is its owner's to erase"
    await ann.web.client.delete("/api/memories", headers=ann.headers)
    assert await tables_with(ann.web, WORD) == set()
