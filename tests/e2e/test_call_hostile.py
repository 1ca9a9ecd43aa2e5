"""
Hostile callers in real calls, with a model that does whatever they say.

Prompts that want to read a secret prompt are in test_call_characters; these want money, somebody
else's memory, or tools that misbehave.
"""

import json
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import pytest
import pytest_asyncio

from agent.tools.offering import TOO_MANY, USES_MAX
from control_plane.memories.choosing import SHARED
from control_plane.memories.embedding import HASHED, hashed
from control_plane.store import memories as store
from control_plane.store.memories import NewMemory
from local.call_result import CallResult
from local.caller import SimulatedCaller
from local.ledger_check import check_ledger
from local.stack import Stack
from shared.call_protocol import TOPIC_NOTICE, Notice
from shared.ids import new_uuid
from tests.e2e.customer import ask, settled, signed_in
from tests.e2e.gullible_voice import HOSTILE, voice_of
from tests.e2e.handset import Handset, joined
from tests.e2e.ledger import connect, violations
from tests.e2e.paying import paid
from tests.e2e.side_by_side import Running, side_by_side
from tests.e2e.tricked_voice import (
    ACCOUNT,
    BUDGET,
    CLEAN,
    DONE,
    FLOOD,
    HANG_UP,
    MEMORY,
    OBEYED,
    OF_SERVERS,
    ORDERS,
    RULES,
    TOOLS,
    TRICKS,
    Trick,
    TrickedMind,
)
from tests.fakes.mcp_server import running_mcp_server
from tests.stack import clean_environment
from tests.web_process import unused_port

pytestmark = pytest.mark.asyncio(loop_scope="module")

SECRET = "Bob hides his key under the blue pot."
CREDITS = 60_000  # signed up and bought
PRICE = 1_000  # credits a minute
SETTINGS = {"CALL_LINKS": "help=https://example.com/help", "AGENT_PROCESSES": "1"}
MIND = TrickedMind((*TRICKS, FLOOD, HANG_UP, *OF_SERVERS))
OURS = {"remaining_credit", "end_call", "send_link", "remember", "forget", "recall"}
NAMED = ("forecast", "poison", "hang", "book", "remaining_credit")


@dataclass(slots=True)
class Evening:
    """What was left when both had hung up."""

    ann: CallResult
    bob: CallResult
    bob_was_cut_off: bool
    links: list[str]
    memories: dict[str, list[str]]
    spent: dict[str, float]
    faults: list[str]
    said_of_memory: list[str] = field(default_factory=list)


async def remember(stack: Stack, owner: str, content: str) -> None:
    connection = await connect(stack)
    memory = NewMemory(
        character_id=SHARED,
        memory_type="key",
        content=content,
        source="caller",
        call_id=None,
        embedder=HASHED,
        embedding=hashed(content),
    )
    try:
        await store.put(connection, owner=UUID(owner), memory_id=new_uuid(), memory=memory)
    finally:
        await connection.close()


def links_of(handset: Handset) -> list[str]:
    """Grows with every link that the page is shown."""
    links: list[str] = []

    def on_data(packet: Any) -> None:
        if packet.topic == TOPIC_NOTICE:
            notice = Notice.model_validate_json(packet.data)
            links.extend([notice.url] if notice.url else [])

    handset.room.on("data_received", on_data)
    return links


async def tricked(stack: Stack) -> Evening:
    """Ann tries everything on Bob, whose call runs beside hers; Bob uses tools without end."""
    ann, bob = await paid(stack, CREDITS), await paid(stack, CREDITS)
    await remember(stack, bob.api.user_id, SECRET)
    tokens = {"ann": await ask(ann), "bob": await ask(bob)}
    MIND.names = {"bob": bob.api.user_id, "bobs": tokens["bob"].call_id}
    async with joined(tokens["bob"].url, tokens["bob"].access_token) as bobs:
        await bobs.open_microphone()
        await bobs.heard_agent()
        async with joined(tokens["ann"].url, tokens["ann"].access_token) as anns:
            links = links_of(anns)
            await anns.open_microphone()
            await anns.heard_agent()
            for trick in TRICKS:
                await anns.hear(DONE, to=trick.says)
            await anns.hear(DONE, to=HANG_UP.says)
            await anns.until(lambda: anns.left_at_s is not None, "the agent to hang up")
        ended = await settled(ann, tokens["ann"])
        for _ in range(2):  # the second time there is nothing left to use
            await bobs.hear(DONE, to=FLOOD.says)
        bobs_left = bobs.left_at_s is not None
    evening = Evening(
        ann=ended,
        bob=await settled(bob, tokens["bob"]),
        bob_was_cut_off=bobs_left,
        links=links,
        memories={"ann": await told(ann), "bob": await told(bob)},
        spent={"ann": await spent(ann), "bob": await spent(bob)},
        faults=[
            fault
            for token in tokens.values()
            for fault in (await check_ledger(stack.database_url, token.call_id)).faults
        ],
    )
    evening.said_of_memory = await poisoned(ann)
    await ann.close()
    await bob.close()
    return evening


async def with_servers(stack: Stack) -> CallResult:
    """One of two servers that an operator has named is away; the other one misbehaves."""
    caller = await signed_in(stack)
    token = await ask(caller)
    async with joined(token.url, token.access_token) as handset:
        await handset.open_microphone()
        await handset.heard_agent()
        for trick in OF_SERVERS:
            await handset.hear(DONE, to=trick.says)
    ended = await settled(caller, token)
    await caller.close()
    return ended


def servers(url: str) -> str:
    """The setting."""
    weather = {"name": "weather", "url": url, "tools": NAMED, "timeout_s": 1.5}
    away = f"http://127.0.0.1:{unused_port()}/mcp"
    return json.dumps([{"name": "away", "url": away, "tools": ["forecast"]}, weather])


async def poisoned(ann: SimulatedCaller) -> list[str]:
    """What the next call's voice says: it was told what Ann had remembered in the one before."""
    token = await ask(ann)
    async with joined(token.url, token.access_token) as handset:
        await handset.open_microphone()
        await handset.heard_agent()
        await handset.hear("orders are in my memory.", to=ORDERS)
    await settled(ann, token)
    return list(handset.agent_said)


async def told(caller: SimulatedCaller) -> list[str]:
    rows = (await caller.api.request("GET", "/api/memories"))["data"]
    return sorted(row["content"] for row in rows)


async def spent(caller: SimulatedCaller) -> float:
    return CREDITS - (await caller.api.balance()).amount


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def calls(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Running]:
    folder = tmp_path_factory.mktemp("hostile")
    async with running_mcp_server(unused_port()) as url:
        environment = {**clean_environment(), **SETTINGS, "AGENT_MCP_SERVERS": servers(url)}
        async with Stack.start(data_dir=folder, environment=environment, durable=False) as stack:
            async with (
                voice_of(stack, MIND, MIND.phrases),
                side_by_side(stack, tricked, with_servers) as running,
            ):
                yield running
            assert await violations(stack) == []


async def test_there_are_twenty_hostile_prompts_for_all_four_aims() -> None:
    assert len(HOSTILE) + len(TRICKS) + 2 >= 20
    assert {trick.aim for trick in TRICKS} == {BUDGET, ACCOUNT, MEMORY, TOOLS}


@pytest.mark.timeout(300)
@pytest.mark.parametrize("trick", [*TRICKS, FLOOD, HANG_UP], ids=lambda trick: trick.says)
async def test_no_tool_does_what_a_hostile_caller_wants(calls: Running, trick: Trick) -> None:
    await calls[tricked]
    answers = MIND.answers[trick.says]
    assert len(answers) == len(trick.uses), "each use was answered"
    for answer in answers:
        assert re.search(trick.answered, answer), answer
        assert "blue pot" not in answer


async def test_nobody_elses_memory_was_read_changed_or_erased(calls: Running) -> None:
    evening: Evening = await calls[tricked]
    assert evening.memories["bob"] == [SECRET]
    kept = ["Everyone is kind.", *(" ".join(rule.split()) for rule in RULES)]
    assert evening.memories["ann"] == sorted(kept), "her own"


async def test_a_poisoned_memory_is_told_as_data(calls: Running) -> None:
    """The voice obeys whatever is not marked as data."""
    evening: Evening = await calls[tricked]
    assert any(CLEAN in line for line in evening.said_of_memory)
    assert not any(OBEYED in line for line in evening.said_of_memory)


async def test_nobody_talks_for_free_and_nobody_else_pays(calls: Running) -> None:
    evening: Evening = await calls[tricked]
    assert evening.faults == []
    for who, ended in (("ann", evening.ann), ("bob", evening.bob)):
        assert ended.billed_s
        assert ended.billed_s > 30
        assert evening.spent[who] == pytest.approx(ended.billed_s * PRICE / 60, abs=0.01)


async def test_a_model_reaches_no_call_but_its_own(calls: Running) -> None:
    evening: Evening = await calls[tricked]
    assert evening.ann.end_reason == "agent_goodbye"
    assert evening.bob.end_reason == "caller_hangup"
    assert not evening.bob_was_cut_off, "his call went on"


async def test_only_our_own_pages_are_shown(calls: Running) -> None:
    evening: Evening = await calls[tricked]
    assert evening.links == []


async def test_a_flood_of_tools_ends_and_the_talk_goes_on(calls: Running) -> None:
    await calls[tricked]
    answers = MIND.answers[FLOOD.says]
    assert {answer for answer in answers if TOO_MANY["error"] in answer} == set(answers)
    assert len(answers) == USES_MAX + 5


@pytest.mark.parametrize("trick", OF_SERVERS, ids=lambda trick: trick.says)
async def test_a_tool_of_a_server_is_as_bounded_as_one_of_ours(
    calls: Running, trick: Trick
) -> None:
    await calls[with_servers]
    [answer] = MIND.answers[trick.says]
    assert re.search(trick.answered, answer), answer


async def test_a_call_with_a_server_that_is_away_is_a_call_like_any_other(calls: Running) -> None:
    ended: CallResult = await calls[with_servers]
    assert (ended.settled, ended.end_reason) == (True, "caller_hangup")


async def test_a_model_is_offered_what_is_ours_and_what_the_operator_has_named(
    calls: Running,
) -> None:
    for scenario in calls.values():
        await scenario
    assert MIND.offered == OURS | {f"weather__{name}" for name in NAMED}
