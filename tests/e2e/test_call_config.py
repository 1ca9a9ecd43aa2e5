"""pg.updateConfig: the caller of a call may change it, nobody else, and not every prompt."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import pytest_asyncio
from livekit import rtc

from local.stack import Stack
from tests.e2e.customer import ask, settled, signed_in
from tests.e2e.handset import Handset, joined, minted_token
from tests.e2e.ledger import connect
from tests.e2e.obedient_voice import obedient_voice
from tests.e2e.side_by_side import Running, side_by_side

pytestmark = pytest.mark.asyncio(loop_scope="module")

METHOD = "pg.updateConfig"
KEEPER = "I am a lighthouse keeper."  # the voice of these tests says its instructions
PARROT = "I am a parrot now."
LOCKED = "I am a public character."
REFUSALS = {
    rtc.RpcError.ErrorCode.APPLICATION_ERROR,
    rtc.RpcError.ErrorCode.REQUEST_PAYLOAD_TOO_LARGE,
}
HALF = '{"instructions": "Half a parrot.", '
NONSENSE = (
    "",
    "not json",
    "[]",
    '{"instructions": 5}',
    json.dumps({"instructions": "Too long. " * 2_001}),
    HALF + '"max_output_tokens": "many"}',
    HALF + '"max_output_tokens": 0}',
    HALF + '"temperature": []}',
)

# Public characters come with another issue; their calls are frozen with this column set.
LOCK_THEM = """
create function lock_prompt() returns trigger language plpgsql as $$
begin new.instructions_locked := true; return new; end $$;
create trigger lock_prompt before insert on call_configs for each row
  when (new.instructions = 'I am a public character.') execute function lock_prompt();
"""
UNLOCK_THEM = "drop trigger lock_prompt on call_configs; drop function lock_prompt()"


def update(instructions: str) -> str:
    return json.dumps({"instructions": instructions})


@asynccontextmanager
async def calling(stack: Stack, *, instructions: str) -> AsyncIterator[tuple[Handset, str]]:
    """A caller who hears the agent, and the name of the room."""
    caller = await signed_in(stack)
    token = await ask(caller, instructions=instructions)
    async with joined(token.url, token.access_token) as handset:
        await handset.open_microphone()
        await handset.heard_agent()
        yield handset, f"ro-{token.call_id}"
    await settled(caller, token)
    await caller.close()


async def changed_by_its_caller(stack: Stack) -> Handset:
    async with calling(stack, instructions=KEEPER) as (ann, room):
        url = stack.env["LIVEKIT_URL"]
        async with joined(url, minted_token(stack, room, "intruder")) as intruder:
            answer = await intruder.ask_agent(METHOD, update("I was hijacked."))
            assert answer == {"changed": False}
        for payload in NONSENSE:
            with pytest.raises(rtc.RpcError) as refused:
                await ann.ask_agent(METHOD, payload)
            assert refused.value.code in REFUSALS, payload
        await ann.hear(KEEPER, to="hello there")
        assert await ann.ask_agent(METHOD, update(PARROT)) == {"changed": True}
        assert await ann.ask_agent(METHOD, update(PARROT)) == {"changed": False}
        await ann.hear(PARROT, to="hello there")
    return ann


async def locked(stack: Stack) -> Handset:
    async with calling(stack, instructions=LOCKED) as (ann, _):
        assert await ann.ask_agent(METHOD, update(PARROT)) == {"changed": False}
        await ann.hear(LOCKED, to="hello there")
    return ann


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def calls(rough_stack: Stack) -> AsyncIterator[Running]:
    """On a stack whose voice says what it was told to be."""
    connection = await connect(rough_stack)
    await connection.execute(LOCK_THEM)
    try:
        async with (
            obedient_voice(rough_stack),
            side_by_side(rough_stack, changed_by_its_caller, locked) as running,
        ):
            yield running
    finally:
        await connection.execute(UNLOCK_THEM)
        await connection.close()


async def test_only_the_caller_changes_the_call_and_only_with_what_makes_sense(
    calls: Running,
) -> None:
    ann: Handset = await calls[changed_by_its_caller]
    assert not any("hijacked" in words or "Half" in words for words in ann.agent_said)


async def test_a_public_characters_prompt_is_not_replaced(calls: Running) -> None:
    ann: Handset = await calls[locked]
    assert not any(PARROT in words for words in ann.agent_said)
