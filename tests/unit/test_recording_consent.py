"""The question before a recording: who is heard, how long is waited, and what takes a yes back."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast

import pytest
from livekit import rtc
from livekit.agents.voice import SpeechHandle  # noqa: TID251 - what the agent is made of

from agent.phone.keypad import Keypad
from agent.recording.consent import ANSWER_MAX_S, QUESTION_MAX_S, Consent
from agent.recording.words import words_in
from shared.call_protocol import CALLER_IDENTITY, Notice
from shared.languages import ENGLISH_NAMES
from shared.recording_protocol import ConsentReport

pytestmark = [pytest.mark.asyncio, pytest.mark.virtual_time]

READING_S = 5.0


@dataclass(slots=True)
class Asked:
    """A call whose caller is asked; `withdrawn` counts how often a yes was taken back."""

    withdrawn: int = 0
    consent: Consent = field(init=False)

    def __post_init__(self) -> None:
        self.consent = Consent(CALLER_IDENTITY, self._on_withdrawn)

    def _on_withdrawn(self) -> None:
        self.withdrawn += 1

    async def ask(
        self, *, then: Callable[[], Any] | None = None, after_s: float = 0, reading_s: float = 5.0
    ) -> tuple[str, float]:
        """The outcome, and how long it took."""
        loop = asyncio.get_running_loop()
        speech = SpeechHandle.create()
        loop.call_later(reading_s, speech._mark_done)
        if then:
            loop.call_later(after_s, then)
        began_s = loop.time()
        return await self.consent.ask(speech), loop.time() - began_s

    async def decide(self, payload: object, identity: str = CALLER_IDENTITY) -> Any:
        text = payload if isinstance(payload, str) else json.dumps(payload)
        invocation = rtc.RpcInvocationData("1", identity, text, 10)
        return json.loads(await self.consent.handle(invocation))

    def soon(self, payload: object, identity: str = CALLER_IDENTITY) -> Callable[[], Any]:
        return lambda: asyncio.ensure_future(self.decide(payload, identity))


async def test_a_yes_after_the_question_is_taken_at_once() -> None:
    asked = Asked()
    outcome, took_s = await asked.ask(then=asked.soon({"consent": True}), after_s=READING_S + 3)
    assert (outcome, asked.consent.is_given, asked.consent.is_asking) == ("yes", True, False)
    assert took_s == pytest.approx(READING_S + 3, abs=0.1)


async def test_an_answer_cuts_the_question_short() -> None:
    asked = Asked()
    outcome, took_s = await asked.ask(then=asked.soon({"consent": False}), after_s=1)
    assert outcome == "no"
    assert took_s < READING_S


async def test_silence_is_no_yes_and_is_not_waited_for_for_ever() -> None:
    asked = Asked()
    outcome, took_s = await asked.ask()
    assert (outcome, asked.consent.is_given) == ("none", False)
    assert took_s == pytest.approx(READING_S + ANSWER_MAX_S, abs=0.1)


async def test_a_question_that_is_never_read_out_ends_too() -> None:
    asked = Asked()
    outcome, took_s = await asked.ask(reading_s=1_000)
    assert outcome == "none"
    assert took_s <= QUESTION_MAX_S + 3


async def test_nobody_answers_for_the_caller() -> None:
    asked = Asked()
    outcome, _ = await asked.ask(then=asked.soon({"consent": True}, "somebody"), after_s=1)
    assert outcome == "none"


async def test_nobody_takes_a_yes_back_for_the_caller() -> None:
    asked = Asked()
    await asked.ask(then=asked.soon({"consent": True}), after_s=1)
    assert await asked.decide({"consent": False}, "somebody") == {"accepted": False}
    assert (asked.consent.is_given, asked.withdrawn) == (True, 0)


async def test_a_yes_is_taken_back_once_and_for_good() -> None:
    asked = Asked()
    await asked.ask(then=asked.soon({"consent": True}), after_s=1)
    answers = [await asked.decide({"consent": word}) for word in (False, False, True)]
    assert [answer["accepted"] for answer in answers] == [True, False, False]
    assert (asked.consent.is_given, asked.withdrawn) == (False, 1)


async def test_a_yes_to_no_question_means_nothing() -> None:
    asked = Asked()
    assert await asked.decide({"consent": True}) == {"accepted": False}
    await asked.ask()
    assert await asked.decide({"consent": True}) == {"accepted": False}
    assert not asked.consent.is_given


@pytest.mark.parametrize(
    "payload", ["", "yes", "{}", '{"consent": 1}', '{"consent": "true"}', "[]", '{"consent": null}']
)
async def test_what_is_no_decision_is_refused(payload: str) -> None:
    asked = Asked()
    with pytest.raises(rtc.RpcError, match="true or false"):
        await asked.decide(payload)


async def test_keys_answer_and_take_back_and_others_say_nothing() -> None:
    asked = Asked()
    room: Any = rtc.EventEmitter()

    def press(digit: str, identity: str = CALLER_IDENTITY) -> None:
        participant = SimpleNamespace(identity=identity)
        event = rtc.SipDTMF(code=0, digit=digit, participant=cast("Any", participant))
        room.emit("sip_dtmf_received", event)

    def press_all() -> None:
        for digit, identity in (("9", CALLER_IDENTITY), ("2", "somebody"), ("1", CALLER_IDENTITY)):
            press(digit, identity)

    asked.consent.listen(Keypad(room, CALLER_IDENTITY))
    outcome, _ = await asked.ask(then=press_all, after_s=2)
    assert outcome == "yes"
    press("2")
    await asyncio.sleep(0.1)
    assert (asked.withdrawn, asked.consent.is_given) == (1, False)
    asked.consent.close()


async def test_every_language_of_calls_has_its_own_words() -> None:
    words = {language: words_in(language) for language in ENGLISH_NAMES}
    assert len(set(words.values())) == len(ENGLISH_NAMES)
    for language, said in words.items():
        statements = [f"{said.question} {how}" for how in (said.by_page, said.by_phone)]
        assert all(20 < len(statement) <= 200 for statement in statements), language
        assert "1" in said.by_phone, language
        assert "2" in said.by_phone, language
        ConsentReport(epoch=1, language=language, statement=statements[0])
        Notice(kind="recording_question", message=statements[0], choices=[said.yes, said.no])
        assert '"' not in "".join(statements), "it is quoted to the model"
    assert words_in("de-AT") == words["de"]
    assert words_in("xx") == words["en"]
