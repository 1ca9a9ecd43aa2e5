"""Calls that are over, and the work after them: with a chat model that answers as a test says."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

from aiohttp import web as http

from control_plane.after_calls.note_taker import open_note_taker
from control_plane.after_calls.work import AfterCallSettingsOfWork, AfterCallWork
from control_plane.memories.embedding import HashedEmbedder
from control_plane.speech.settings import TextSettings
from tests.integration.receipted_calls import LET_PASS
from tests.web_process import Caller, Web

NOTES = {
    "title": "A sister in London",
    "highlights": ["The caller told of a sister."],
    "memories": [{"type": "sister", "content": "The caller's sister lives in London."}],
    "analysis": {"topic_category": "family", "user_sentiment": "positive"},
}
TURNS = [("assistant", "Hello!"), ("user", "My sister lives in London."), ("assistant", "Nice.")]


class ChatModel:
    """A server of OpenAI's chat completions with one answer."""

    def __init__(self) -> None:
        self.answer = json.dumps(NOTES)
        self.status = 200
        self.asked: list[dict[str, Any]] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.url = ""

    async def post(self, request: http.Request) -> http.Response:
        self.asked.append(await request.json())
        await self.gate.wait()
        if self.status != 200:
            return http.json_response({"error": {"message": "no"}}, status=self.status)
        message = {"role": "assistant", "content": self.answer}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        head = {"id": "c1", "object": "chat.completion", "created": 1, "model": "notes"}
        return http.json_response({**head, "choices": [choice]})

    @asynccontextmanager
    async def serving(self) -> AsyncIterator["ChatModel"]:
        app = http.Application()
        app.router.add_post("/v1/chat/completions", self.post)
        runner = http.AppRunner(app, access_log=None, shutdown_timeout=1)
        await runner.setup()
        site = http.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        assert site._server
        port = site._server.sockets[0].getsockname()[1]  # type: ignore[attr-defined]
        self.url = f"http://127.0.0.1:{port}/v1"
        try:
            yield self
        finally:
            self.gate.set()
            await runner.cleanup()


@asynccontextmanager
async def worker(web: Web, model: ChatModel, **settings: Any) -> AsyncIterator[AfterCallWork]:
    text = TextSettings.model_validate({"text_model": "notes", "text_base_url": model.url})
    note_taker = open_note_taker(text)
    assert note_taker
    work = AfterCallWork(
        web.app.state.services.pool,
        note_taker=note_taker,
        embedder=HashedEmbedder(),
        settings=AfterCallSettingsOfWork.model_validate(settings),
    )
    try:
        yield work
    finally:
        await note_taker.close()


async def a_call(caller: Caller, *, seconds: int = 150, turns: Any = None, **request: Any) -> UUID:
    """Held, transcribed, closed, and over for a minute."""
    call_id = await a_placed_call(caller, **request)
    await held(caller, call_id, seconds=seconds, turns=turns)
    return call_id


async def a_placed_call(caller: Caller, **request: Any) -> UUID:
    answer = await caller.ask_for_call(**{"memory": True, **request})
    assert answer.status_code == 200, answer.text
    return UUID(answer.json()["callId"])


async def held(caller: Caller, call_id: UUID, *, seconds: int = 150, turns: Any = None) -> None:
    """From its start to a minute after its end."""
    web = caller.web
    order = {"worker_id": "w1", "job_id": str(call_id)}
    await web.internal(f"/calls/{call_id}/start", order)
    for upto in range(60, seconds + 1, 30):
        await web.db.execute(LET_PASS, call_id, 60)
        report = {"id": str(call_id), "epoch": 1, "seconds": upto}
        await web.internal("/calls/settle", {"worker_id": "w1", "calls": [report]})
    await say(caller, call_id, TURNS if turns is None else turns)
    close = {"worker_id": "w1", "epoch": 1, "seconds": seconds, "reason": "caller_hangup"}
    closed = await web.internal(f"/calls/{call_id}/close", close)
    assert closed.json()["seconds"] == seconds, closed.text
    await web.db.execute(
        "update call_sessions set ended_at = ended_at - interval '1 minute' where id = $1", call_id
    )


async def say(caller: Caller, call_id: UUID, turns: Any, *, first: int = 0) -> None:
    items = [
        {"index": first + n, "role": role, "text": text, "at_s": n}
        for n, (role, text) in enumerate(turns)
    ]
    answer = await caller.web.internal(f"/calls/{call_id}/transcript", {"epoch": 1, "items": items})
    assert answer.status_code == 204, answer.text


async def set_to(caller: Caller, **change: Any) -> None:
    answer = await caller.web.client.patch(
        "/api/call-settings", content=json.dumps(change), headers=caller.headers
    )
    assert answer.status_code == 200, answer.text


async def contents(caller: Caller) -> list[str]:
    return [m["content"] for m in (await caller.get("/api/memories")).json()["data"]]


async def in_list(caller: Caller) -> dict[str, Any]:
    call: dict[str, Any] = (await caller.get("/api/calls")).json()["data"][0]
    return call


async def analyses(web: Web) -> int:
    count: int = await web.db.fetchval("select count(*) from call_session_analysis")
    return count


async def texts_of(caller: Caller, call_id: UUID) -> list[str]:
    call = (await caller.get(f"/api/calls/{call_id}")).json()
    return [line["text"] for line in call["transcript"]]
