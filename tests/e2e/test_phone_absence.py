"""A caller by telephone sees no page: what happens to the voice must be heard."""

import time

import pytest

from agent.absence import absence_in
from local.stack import Stack
from tests.e2e.telephone import a_number, calls_of, phone_owner, ringing
from tests.e2e.test_phone_calls import the_call
from tests.e2e.unruly_voice import voice_of

pytestmark = pytest.mark.asyncio(loop_scope="session")

SAID_S = 2.0  # of the sentence, at least


async def test_an_absence_is_said_to_a_caller_by_telephone(rough_stack: Stack) -> None:
    number, voice = a_number(), voice_of(rough_stack)
    owner = await phone_owner(rough_stack, number)
    async with ringing(rough_stack, number) as phone:
        await phone.enter()
        await phone.answered(timeout_s=40)
        await phone.line.until(phone.line._is_quiet, "a pause", timeout_s=20)
        try:
            await voice.fail(drop_after_s=0, refuse=True, tts={"status": 500})
            began_s = time.monotonic()
            await phone.heard_more(SAID_S)
            assert time.monotonic() - began_s > SAID_S + 1, "told once it takes too long"
        finally:
            await voice.fail()
        await phone.line.until(
            lambda: any(absence_in("en").back in line for line in phone.line.agent_said),
            "the voice to be back",
        )
    call = await the_call(owner)
    assert call["endReason"] == "caller_hangup"
    assert len(await calls_of(owner)) == 1
