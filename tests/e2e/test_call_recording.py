"""Recordings in real calls: who is asked, what is on the tape, and that it costs nothing."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from statistics import median
from typing import Any

import pytest
import pytest_asyncio

from local.call_result import CallResult
from local.stack import Stack
from tests.e2e.customer import settled, signed_in
from tests.e2e.handset import joined, minted_token
from tests.e2e.ledger import leave_only, settled_exactly, violations
from tests.e2e.recorded import (
    METHOD,
    QUESTION,
    Asked,
    asked,
    consents_of,
    shelf_of,
    tape_at,
)
from tests.e2e.side_by_side import Running, side_by_side
from tests.e2e.telephone import PIN, a_number, calls_of, phone_owner, ringing
from tests.stack import clean_environment
from tests.tapes import Tape

pytestmark = pytest.mark.asyncio(loop_scope="module")

CREDITS = 420  # 25.2 s at 1,000 credits a minute
SECONDS = 25
SAYING = "hello there"
NEVER_S = 5  # a recording that is to come has come by then
ASKING = {"CALL_RECORDING": "ask", "CALL_MIN_CREDITS": "10", "AGENT_PROCESSES": "2"}
AWAY_S = 40  # until an agent that was killed is back and its calls are closed


@dataclass(frozen=True, slots=True)
class Over:
    """A call that has ended. `recording` is what GET says; `consents` the rows."""

    result: CallResult
    kinds: list[str]
    consents: list[dict[str, Any]]
    recording: dict[str, Any] | None = None
    tape: Tape | None = None
    recorded_s: float = 0.0  # from the sign that it began to the hang-up
    said_first: str = ""
    waited_s: float = 0.0


async def over(call: Asked, *, is_recorded: bool, waited_s: float = 0.0) -> Over:
    result = await call.leave()
    found = await call.recording(**({} if is_recorded else {"within_s": NEVER_S}))
    return Over(
        result=result,
        kinds=call.kinds,
        consents=await call.consents(),
        recording=found,
        tape=await tape_at(found["url"]) if found else None,
        recorded_s=call.left_s - call.on_s,
        said_first=" ".join(call.handset.agent_said[:3]),
        waited_s=waited_s,
    )


async def talk_a_little(call: Asked) -> None:
    """Both speak, one after the other."""
    handset = call.handset
    await handset.heard_agent()
    await handset.until(handset._is_quiet, "the end of the greeting")
    await handset.say(SAYING)
    heard_s = handset.hearing.total_s
    await handset.until(lambda: handset.hearing.total_s > heard_s + 0.5, "an answer")
    await handset.until(handset._is_quiet, "the end of the answer")


async def says_yes(stack: Stack) -> tuple[Over, float, float]:
    async with asked(stack) as call:
        await call.told("recording_question")
        await asyncio.sleep(1)
        assert call.handset.first_heard_at_s is None, "the clock would run"
        assert await call.decide(yes=True) == {"accepted": True}
        await call.told("recording_on")
        await talk_a_little(call)
        first_s = call.handset.first_heard_at_s
        assert first_s
        ended = await over(call, is_recorded=True)
        return ended, first_s - call.on_s, call.handset.hearing.total_s


async def says_no(stack: Stack) -> Over:
    async with asked(stack) as call:
        await call.told("recording_question")
        assert await call.decide(yes=False) == {"accepted": True}
        await talk_a_little(call)
        assert await call.decide(yes=True) == {"accepted": False}
        return await over(call, is_recorded=False)


async def says_nothing(stack: Stack) -> Over:
    async with asked(stack) as call:
        await call.told("recording_question")
        asked_s = time.monotonic()
        await call.handset.until(
            lambda: call.handset.first_heard_at_s is not None, "the voice", timeout_s=45
        )
        waited_s = time.monotonic() - asked_s
        await talk_a_little(call)
        return await over(call, is_recorded=False, waited_s=waited_s)


async def hangs_up_at_the_question(stack: Stack) -> tuple[CallResult, list[dict[str, Any]]]:
    async with asked(stack) as call:
        await call.told("recording_question")
        await call.handset.room.disconnect()
        return await settled(call.caller, call.token), await call.consents()


async def takes_it_back(stack: Stack) -> Over:
    async with asked(stack) as call:
        await call.told("recording_question")
        await call.decide(yes=True)
        await call.told("recording_on")
        await talk_a_little(call)
        assert any(call.token.call_id in path.name for path in shelf_of(stack))
        assert await call.decide(yes=False) == {"accepted": True}
        await call.told("recording_off")
        assert not any(call.token.call_id in path.name for path in shelf_of(stack))
        await talk_a_little(call)
        return await over(call, is_recorded=False)


async def is_overheard(stack: Stack) -> Over:
    """Somebody else in the room answers, first yes and later no."""
    async with asked(stack) as call:
        guest = minted_token(stack, f"ro-{call.token.call_id}", "guest")
        async with joined(call.token.url, guest) as other:
            await call.told("recording_question")
            assert await other.ask_agent(METHOD, json.dumps({"consent": True})) == {
                "accepted": False
            }
            assert "recording_on" not in call.kinds
            await call.decide(yes=True)
            await call.told("recording_on")
            assert await other.ask_agent(METHOD, json.dumps({"consent": False})) == {
                "accepted": False
            }
        await talk_a_little(call)
        return await over(call, is_recorded=True)


async def to_the_last_credit(stack: Stack, *, yes: bool) -> CallResult:
    caller = await signed_in(stack)
    await leave_only(stack, caller.api.user_id, CREDITS)
    async with asked(stack, caller) as call:
        await call.told("recording_question")
        await call.decide(yes=yes)
        await call.handset.until(
            lambda: call.handset.left_at_s is not None, "the hang-up", timeout_s=SECONDS + 30
        )
        result = await call.leave()
        assert (await call.recording(within_s=20 if yes else NEVER_S) is not None) == yes
        return result


async def spends_all_recorded(stack: Stack) -> CallResult:
    return await to_the_last_credit(stack, yes=True)


async def spends_all_unrecorded(stack: Stack) -> CallResult:
    return await to_the_last_credit(stack, yes=False)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def asking(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    environment = {**clean_environment(), **ASKING}
    async with Stack.start(
        data_dir=tmp_path_factory.mktemp("asking"), environment=environment, durable=False
    ) as running:
        yield running
        assert await violations(running) == []


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def calls(asking: Stack) -> AsyncIterator[Running]:
    async with side_by_side(
        asking,
        says_yes,
        says_no,
        says_nothing,
        hangs_up_at_the_question,
        takes_it_back,
        is_overheard,
        spends_all_recorded,
        spends_all_unrecorded,
    ) as running:
        yield running


async def test_after_a_yes_both_voices_are_on_the_tape_each_on_its_side(
    calls: Running, asking: Stack
) -> None:
    ended, first_s, agent_s = await calls[says_yes]
    assert ended.tape
    assert ended.recording
    tape = ended.tape
    print(f"{tape.seconds:.2f} s on the tape, recorded {ended.recorded_s:.2f} s")
    print(f"agent {tape.agent_s:.2f} s (heard {agent_s:.2f}), caller {tape.caller_s:.2f} s")
    print(f"the agent begins at {tape.agent[0]:.2f} s, heard at {first_s:.2f} s")
    assert tape.seconds == pytest.approx(ended.recorded_s, abs=1.0)
    assert ended.recording["durationSeconds"] == pytest.approx(tape.seconds, abs=0.1)
    assert 0.5 * agent_s < tape.agent_s <= agent_s + 0.5, "as much as was heard, without its pauses"
    assert tape.agent[0] == pytest.approx(first_s, abs=0.6)
    assert tape.caller_s > 0.4
    assert tape.agent[0] < median(tape.caller) < tape.agent[-1], "greeting, caller, answer"
    both = set(tape.agent) & set(tape.caller)
    assert len(both) <= 0.1 * len(tape.caller), "one voice is on the other's side"
    await settled_exactly(asking, ended.result)


async def test_the_consent_is_kept_with_the_words_that_were_said(calls: Running) -> None:
    ended, _, _ = await calls[says_yes]
    (row,) = ended.consents
    assert (row["answer"], row["language"], row["withdrawn_at"]) == ("yes", "en", None)
    assert row["statement"].startswith(QUESTION)
    assert row["asked_at"] < row["answered_at"]
    assert QUESTION in ended.said_first, "it is spoken too"
    assert ended.recording
    assert ended.recording["consent"]["statement"] == row["statement"]


async def test_a_no_goes_on_without_a_recording(calls: Running, asking: Stack) -> None:
    ended: Over = await calls[says_no]
    assert (ended.recording, [row["answer"] for row in ended.consents]) == (None, ["no"])
    assert "recording_on" not in ended.kinds
    await settled_exactly(asking, ended.result)


async def test_silence_goes_on_without_a_recording_and_the_wait_is_free(
    calls: Running, asking: Stack
) -> None:
    ended: Over = await calls[says_nothing]
    assert (ended.recording, [row["answer"] for row in ended.consents]) == (None, ["none"])
    print(f"waited {ended.waited_s:.1f} s for nothing, billed {ended.result.billed_s} s")
    assert ended.waited_s > 15
    assert ended.result.end_reason == "caller_hangup"
    await settled_exactly(asking, ended.result)


async def test_who_hangs_up_at_the_question_pays_nothing(calls: Running) -> None:
    result, consents = await calls[hangs_up_at_the_question]
    assert (result.billed_s, result.end_reason) == (0, "caller_hangup")
    assert [row["answer"] for row in consents] == [None]


async def test_a_withdrawal_leaves_nothing_of_what_was_recorded(
    calls: Running, asking: Stack
) -> None:
    ended: Over = await calls[takes_it_back]
    (row,) = ended.consents
    assert ended.recording is None
    assert row["answer"] == "yes"
    assert row["withdrawn_at"] > row["answered_at"]
    await settled_exactly(asking, ended.result)


async def test_nobody_else_in_the_room_decides(calls: Running) -> None:
    ended: Over = await calls[is_overheard]
    (row,) = ended.consents
    assert (row["answer"], row["withdrawn_at"]) == ("yes", None)
    assert ended.recording is not None


async def test_the_bill_is_the_same_with_and_without(calls: Running) -> None:
    with_it: CallResult = await calls[spends_all_recorded]
    without: CallResult = await calls[spends_all_unrecorded]
    for result in (with_it, without):
        assert (result.billed_s, result.end_reason) == (SECONDS, "credit_exhausted")


async def test_by_telephone_keys_answer_and_no_pin_is_on_the_tape(asking: Stack) -> None:
    number = a_number()
    owner = await phone_owner(asking, number)
    async with ringing(asking, number) as phone:
        await phone.enter()
        line = phone.line
        await line.until(
            lambda: any("Press 1" in said for said in line.agent_said), "it", timeout_s=60
        )
        await phone.press("1")
        pressed_s = time.monotonic()
        await line.until(lambda: len(line.agent_said) > 2, "the greeting")
        await line.until(line._is_quiet, "the end of the greeting")
        await phone.say(SAYING)
        await asyncio.sleep(2)
        lasted_s = time.monotonic() - pressed_s
    (call,) = await calls_of(owner)
    (row,) = await consents_of(asking, call["id"])
    assert row["answer"] == "yes"
    assert "Press 1" in row["statement"]
    async with asyncio.timeout(20):
        while True:
            answer = await owner.api._http.get(f"/api/calls/{call['id']}/recording")
            if answer.status_code == 200:
                break
            await asyncio.sleep(0.1)
    tape = await tape_at(answer.json()["url"])
    assert tape.seconds < lasted_s + 1, "it began after the reception"
    assert tape.caller_s > 0.4
    assert PIN not in asking.log_of("agent").read_text(errors="replace")


async def test_what_a_crash_leaves_comes_with_the_next_agent(asking: Stack) -> None:
    async with asked(asking) as call:
        await call.told("recording_question")
        await call.decide(yes=True)
        await call.told("recording_on")
        await talk_a_little(call)
        asking.kill("agent")
        await asyncio.sleep(1)
        assert [path for path in shelf_of(asking) if call.token.call_id in path.name]
        await asking.start_process("agent")
        found = await call.recording(within_s=AWAY_S)
        assert found
        tape = await tape_at(found["url"])
        assert tape.agent_s > 1
        assert tape.caller_s > 0.4
        assert not [path for path in shelf_of(asking) if call.token.call_id in path.name]


async def test_off_asks_nobody_and_writes_nothing(rough_stack: Stack) -> None:
    async with asked(rough_stack) as call:
        await talk_a_little(call)
        ended = await over(call, is_recorded=False)
    assert (ended.recording, ended.consents) == (None, [])
    assert not [kind for kind in ended.kinds if kind.startswith("recording")]
    assert shelf_of(rough_stack) == []
    await settled_exactly(rough_stack, ended.result)
