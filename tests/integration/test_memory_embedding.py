"""Memories and a server of embeddings: found by meaning, and by words when it is in trouble."""

import json
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from control_plane.memories.desk import MemoryDesk
from control_plane.memories.embedding import DIMENSIONS_MAX, HASHED, TIMEOUT_S
from tests.fakes.embedding_server import MODEL, EmbeddingServer
from tests.web_process import Caller, Media, Web, running_web, unused_port, web_settings

SHARED = "__shared__"
DOG = "The caller has a dog called Rex."
TEA = "The caller likes green tea."
SLACK_S = 0.8  # beside the wait itself, on busy cores
NOWHERE = "http://127.0.0.1:{port}/v1"


@pytest_asyncio.fixture
async def server() -> AsyncIterator[EmbeddingServer]:
    async with EmbeddingServer().serving() as serving:
        yield serving


@pytest_asyncio.fixture
async def web(db_dsn: str, media: Media, server: EmbeddingServer) -> AsyncIterator[Web]:
    async with running_web(embedded_settings(db_dsn, media, server.url)) as running:
        yield running


@pytest_asyncio.fixture
async def ann(web: Web) -> Caller:
    return await web.account(paid=True, balance=500_000)


def embedded_settings(db_dsn: str, media: Media, url: str) -> Any:
    return web_settings(db_dsn, media, embedding_model=MODEL, embedding_base_url=url)


def desk_of(web: Web) -> MemoryDesk:
    desk: MemoryDesk = web.app.state.services.memories
    return desk


async def tell(caller: Caller, *facts: str) -> None:
    for fact in facts:
        await desk_of(caller.web).keep(
            caller.account.user_id,
            character_id=SHARED,
            content=fact,
            slot="",
            source="call",
            call_id=None,
        )


async def recalled(caller: Caller, words: str) -> list[str]:
    found = await desk_of(caller.web).recall(
        caller.account.user_id, character_id=SHARED, words=words
    )
    return [match.content for match in found]


async def stored(caller: Caller) -> list[tuple[str, int]]:
    """Whose vectors these are and how long they are, oldest first."""
    rows = await caller.web.db.fetch(
        "select embedder, cardinality(embedding) from agent_memories order by created_at, id"
    )
    return [(row[0], row[1]) for row in rows]


async def test_what_is_meant_is_found_without_a_word_in_common(
    ann: Caller, server: EmbeddingServer
) -> None:
    await tell(ann, DOG, TEA)
    assert await recalled(ann, "hound") == [DOG]
    assert await recalled(ann, "anything to drink") == [TEA]
    assert await stored(ann) == [(MODEL, 8), (MODEL, 8)]
    assert server.asked[-1] == ["anything to drink"]


async def test_of_a_long_vector_the_beginning_is_kept(ann: Caller, server: EmbeddingServer) -> None:
    server.dimensions = 3_072
    await tell(ann, DOG)
    assert await stored(ann) == [(MODEL, DIMENSIONS_MAX)]
    assert await recalled(ann, "hound") == [DOG]


def no_data(answer: Any) -> Any:
    return {**answer, "data": []}


def no_list(answer: Any) -> Any:
    return {**answer, "data": None}


def with_embedding(embedding: Any) -> Any:
    return lambda answer: {
        **answer,
        "data": [{**item, "embedding": embedding} for item in answer["data"]],
    }


TROUBLES: dict[str, dict[str, Any]] = {
    "too often": {"status": 429},
    "broken": {"status": 500},
    "a wrong key": {"status": 401},
    "no vectors": {"spoil": no_data},
    "no list": {"spoil": no_list},
    "empty vectors": {"spoil": with_embedding([])},
    "words for numbers": {"spoil": with_embedding("AAAA//8=")},
    "no vector": {"spoil": with_embedding(None)},
    "not JSON": {"spoil": lambda _: "no"},
}


@pytest.mark.parametrize("trouble", TROUBLES)
async def test_with_a_server_in_trouble_words_find_what_there_is(
    ann: Caller, server: EmbeddingServer, trouble: str
) -> None:
    await tell(ann, DOG)
    for name, value in TROUBLES[trouble].items():
        setattr(server, name, value)
    await tell(ann, TEA)
    assert await recalled(ann, "my dog Rex") == [DOG]
    assert await recalled(ann, "green tea") == [TEA]
    assert [name for name, _ in await stored(ann)] == [MODEL, HASHED]
    server.status, server.spoil = 200, None
    assert await recalled(ann, "hound") == [DOG], "it is asked again when it is well"


async def test_another_length_of_vectors_is_not_compared_and_harms_nothing(
    ann: Caller, server: EmbeddingServer
) -> None:
    await tell(ann, DOG)
    server.dimensions = 16
    await tell(ann, TEA)
    assert await stored(ann) == [(MODEL, 8), (MODEL, 16)]
    assert await recalled(ann, "hound") == []
    assert await recalled(ann, "Rex") == [DOG]
    assert await recalled(ann, "something to drink") == [TEA]


async def test_a_server_that_hangs_costs_no_more_than_its_time(
    ann: Caller, server: EmbeddingServer
) -> None:
    await tell(ann, DOG)
    server.gate.clear()
    began = time.monotonic()
    assert await recalled(ann, "my dog Rex") == [DOG]
    took_s = time.monotonic() - began
    assert TIMEOUT_S <= took_s < TIMEOUT_S + SLACK_S


async def test_a_call_starts_with_its_memories_while_the_server_hangs(
    ann: Caller, server: EmbeddingServer
) -> None:
    await tell(ann, DOG, TEA)
    asked = len(server.asked)
    server.gate.clear()
    answer = await ann.ask_for_call(memory=True)
    call_id = answer.json()["callId"]
    began = time.monotonic()
    start = await ann.web.internal(f"/calls/{call_id}/start", {"worker_id": "w1", "job_id": "j1"})
    took_s = time.monotonic() - began
    assert set(start.json()["memories"]) == {DOG, TEA}
    assert took_s < SLACK_S
    assert len(server.asked) == asked, "nobody is asked while a caller waits"


async def test_without_a_server_at_the_address_memories_are_kept_put_right_and_found(
    db_dsn: str, media: Media
) -> None:
    url = NOWHERE.format(port=unused_port())
    async with running_web(embedded_settings(db_dsn, media, url)) as web:
        ann = await web.account(paid=True, balance=500_000)
        await tell(ann, DOG)
        assert [name for name, _ in await stored(ann)] == [HASHED]
        assert await recalled(ann, "the dog Rex") == [DOG]
        row = (await ann.get("/api/memories")).json()["data"][0]
        change = json.dumps({"id": row["id"], "content": "The dog is called Max."})
        edited = await web.client.put("/api/memories", content=change, headers=ann.headers)
        assert edited.status_code == 200, edited.text
        assert await recalled(ann, "Max") == ["The dog is called Max."]
