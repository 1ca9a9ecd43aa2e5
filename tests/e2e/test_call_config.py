"""pg.updateConfig: the caller of a call may change it, nobody else, and not every prompt."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from livekit import rtc

from local.stack import Stack
from tests.e2e.customer import ask, settled, signed_in
from tests.e2e.handset import Handset, joined, minted_token
from tests.e2e.ledger import connect

METHOD = "pg.updateConfig"
UNCHANGED = "It is nice to hear you"  # what the voice answers to a hello by itself
PARROT = "I am a parrot now"
LOCKED = "You are a public character."
APPLICATION_ERROR = 1500
NONSENSE = (
    "",
    "not json",
    "[]",
    '{"instructions": 5}',
    json.dumps({"instructions": 'Say: "too long"' + " " * 20_000}),
    '{"instructions": "Say: \\"half\\"", "max_output_tokens": "many"}',
    '{"instructions": "Say: \\"half\\"", "max_output_tokens": 0}',
    '{"instructions": "Say: \\"half\\"", "temperature": []}',
)

# Public characters come with another issue; their calls are frozen with this column set.
LOCK_THEM = """
create function lock_prompt() returns trigger language plpgsql as $$
begin new.instructions_locked := true; return new; end $$;
create trigger lock_prompt before insert on call_configs for each row
  when (new.instructions = 'You are a public character.') execute function lock_prompt();
"""
UNLOCK_THEM = "drop trigger lock_prompt on call_configs; drop function lock_prompt()"


def saying(words: str) -> str:
    """An update after which the local voice answers everything with these words."""
    return json.dumps({"instructions": f'Say: "{words}"'})


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


async def test_only_the_caller_changes_the_call_and_only_with_what_makes_sense(
    rough: Stack,
) -> None:
    async with calling(rough, instructions="Answer briefly.") as (ann, room):
        url = rough.env["LIVEKIT_URL"]
        async with joined(url, minted_token(rough, room, "intruder")) as intruder:
            answer = await intruder.ask_agent(METHOD, saying("I was hijacked"))
            assert answer == {"changed": False}
        for payload in NONSENSE:
            with pytest.raises(rtc.RpcError) as refused:
                await ann.ask_agent(METHOD, payload)
            assert refused.value.code in {
                APPLICATION_ERROR,
                rtc.RpcError.ErrorCode.REQUEST_PAYLOAD_TOO_LARGE,
            }, payload
        await ann.hear(UNCHANGED, to="hello there")
        assert await ann.ask_agent(METHOD, saying(PARROT)) == {"changed": True}
        assert await ann.ask_agent(METHOD, saying(PARROT)) == {"changed": False}
        await ann.hear(PARROT, to="hello there")
        assert not any("hijacked" in line or "half" in line for line in ann.agent_said)


async def test_a_public_characters_prompt_is_not_replaced(rough: Stack) -> None:
    connection = await connect(rough)
    await connection.execute(LOCK_THEM)
    try:
        async with calling(rough, instructions=LOCKED) as (ann, _):
            assert await ann.ask_agent(METHOD, saying(PARROT)) == {"changed": False}
            await ann.hear(UNCHANGED, to="hello there")
            assert PARROT not in " ".join(ann.agent_said)
    finally:
        await connection.execute(UNLOCK_THEM)
        await connection.close()
