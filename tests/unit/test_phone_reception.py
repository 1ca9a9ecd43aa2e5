"""The talk before a call, key by key: what is asked, what is said, what is chosen."""

import asyncio
import json
from dataclasses import dataclass, field
from typing import Any, cast
from uuid import UUID

import pytest
from livekit import rtc
from pydantic import BaseModel

from agent.charging_client import Unknown
from agent.phone.desk_client import DeskClient
from agent.phone.keypad import Keypad
from agent.phone.reception import Patience, Reception
from agent.phone.speaker import Line
from agent.sentences import CannotSpeak
from control_plane.phone.menu import SPOKEN

CALLER = "sip_+4915112345678"
CALL = "00000000-0000-7000-8000-000000000001"
ENTRY = "00000000-0000-7000-8000-000000000002"
RAMONA = {
    "id": "00000000-0000-7000-8000-00000000000a",
    "name": "Ramona",
    "credits_per_minute": 1000,
}
LILY = {"id": "00000000-0000-7000-8000-00000000000b", "name": "Lily", "credits_per_minute": 1000}
DEAR = {**LILY, "credits_per_minute": 2500}
OPERATOR = "+49305550111"
WELCOME = {"standing": "known", "language": "en", "credits_per_minute": 1000, "site": "call.test"}
ENTERED = {
    "outcome": "entered",
    "entry_id": ENTRY,
    "characters": [RAMONA, LILY],
    "languages": ["en", "de"],
}


@dataclass(slots=True)
class Telephone:
    """A room with one caller, who presses the next keys whenever a question is put."""

    keys: list[str]
    said: list[str] = field(default_factory=list)
    languages: list[str] = field(default_factory=list)
    room: Any = field(default_factory=rtc.EventEmitter)
    is_answered: bool = False
    takes_transfer: bool = False
    handed_to: list[str] = field(default_factory=list)

    async def open(self, first: Line) -> None:
        assert first.words
        self.is_answered = True

    async def say(self, *lines: Line) -> None:
        assert self.is_answered, "nobody hears what is said while it rings"
        self.said += [line.words for line in lines]
        self.languages += [line.language for line in lines]
        for key in self.keys.pop(0) if self.keys else "":
            self.press(key)

    async def transfer(self, operator: str) -> bool:
        self.handed_to.append(operator)
        return self.takes_transfer

    def press(self, key: str, *, by: str = CALLER) -> None:
        person = cast("rtc.RemoteParticipant", Person(by))
        self.room.emit("sip_dtmf_received", rtc.SipDTMF(code=0, digit=key, participant=person))


@dataclass(frozen=True, slots=True)
class Person:
    identity: str


@dataclass(slots=True)
class Desk:
    """Answers in turn, and remembers the bodies it was sent."""

    answers: list[dict[str, Any] | Exception]
    asked: list[dict[str, Any]] = field(default_factory=list)

    async def ask(self, _path: str, body: BaseModel, answer: type[Any], /) -> Any:
        self.asked.append(body.model_dump(mode="json"))
        told = self.answers.pop(0)
        if isinstance(told, Exception):
            raise told
        return answer.model_validate_json(json.dumps(told))


SHORT = Patience(answer_s=0.02, menu_s=0.02, key_s=0.02)


async def talk(
    answers: list[dict[str, Any] | Exception], *keys: str, takes_transfer: bool = False
) -> tuple[UUID | None, Telephone, Desk]:
    line, desk = Telephone([*keys], takes_transfer=takes_transfer), Desk(answers)
    found = await reception(line, desk).run()
    return found, line, desk


def reception(line: Telephone, desk: Desk) -> Reception:
    client = DeskClient(desk.ask, from_number="+4915112345678", to_number="+49305550100")
    keypad = Keypad(line.room, CALLER)
    return Reception(client, keypad, line, "phone_x", line.transfer, SHORT)


PLACED = {"outcome": "call", "call_id": CALL}


async def test_a_right_pin_and_a_silent_menu_lead_to_the_usual_call() -> None:
    call_id, line, desk = await talk([WELCOME, ENTERED, PLACED], "274915#")
    assert str(call_id) == CALL
    assert desk.asked[1]["digits"] == "274915"
    assert desk.asked[2] == {
        "room_name": "phone_x",
        "character": None,
        "language": None,
        "credits_per_minute_max": 1000,
    }
    assert "1000 credits" in line.said[0]
    assert not any("274915" in words for words in line.said)


async def test_the_menu_chooses_repeats_and_knows_the_operator() -> None:
    call_id, line, desk = await talk(
        [WELCOME, ENTERED, PLACED], "274915#", "9", "0", "", "2", "2", "3", "2", "1"
    )
    assert str(call_id) == CALL
    assert desk.asked[2]["character"] == LILY["id"]
    assert desk.asked[2]["language"] == "de"
    assert any("nobody at the desk" in words for words in line.said)
    assert line.handed_to == [], "where no operator is set, nobody is called"
    assert {"1: Ramona.", "2: Lily."} <= set(line.said)
    assert line.said[-1].startswith("Drücke 1"), "in the language that was chosen"
    assert ("Für Deutsch drücke 2.", "de") in zip(line.said, line.languages, strict=True)


async def test_three_wrong_pins_end_the_call() -> None:
    wrong = {"outcome": "wrong"}
    call_id, line, desk = await talk(
        [WELCOME, wrong, wrong, wrong], "111111#", "222222#", "333333#"
    )
    assert call_id is None
    assert len(desk.asked) == 4
    assert line.said[-1] == "That was not right."


@pytest.mark.parametrize(
    ("welcome", "words"),
    [
        ({"standing": "unknown"}, "Make an account at call.test"),
        ({"standing": "locked", "locked_minutes": 15}, "in 15 minutes"),
        ({"standing": "unknown", "language": "de"}, "Hier sprichst du"),
    ],
)
async def test_who_cannot_enter_hears_why_and_what_to_do(
    welcome: dict[str, Any], words: str
) -> None:
    call_id, line, _ = await talk([{**WELCOME, **welcome}])
    assert call_id is None
    assert len(line.said) == 1
    assert words in line.said[0]


@pytest.mark.parametrize(
    ("outcome", "words"),
    [
        ("no_credit", "not enough"),
        ("free_used", "free minutes"),
        ("busy", "another call"),
        ("frozen", "closed for now"),
        ("no_capacity", "lines are busy"),
        ("not_allowed", "not open to your account"),
        ("expired", "Something went wrong"),
    ],
)
async def test_every_refusal_has_words(outcome: str, words: str) -> None:
    call_id, line, _ = await talk([WELCOME, ENTERED, {"outcome": outcome}], "274915#")
    assert call_id is None
    assert words in line.said[-1]


async def test_silence_is_asked_twice_and_then_let_go() -> None:
    call_id, line, desk = await talk([WELCOME])
    assert call_id is None
    assert len(desk.asked) == 1
    assert [words[:12] for words in line.said] == ["Welcome back", "Welcome back", "I did not he"]


async def test_a_control_plane_that_is_away_is_our_fault_and_said_so() -> None:
    call_id, line, _ = await talk([WELCOME, Unknown("away")], "274915#")
    assert call_id is None
    assert line.said[-1].startswith("Something went wrong on our side. This call cost nothing")


async def test_a_voice_that_cannot_be_made_leaves_the_call_unanswered() -> None:
    class Mute(Telephone):
        async def open(self, first: Line) -> None:
            assert first.words
            raise CannotSpeak("status 500")

    for answer in (WELCOME, Unknown("away")):
        line = Mute([])
        assert await reception(line, Desk([answer])).run() is None
        assert line.said == []


async def test_a_caller_who_calls_too_often_is_not_answered() -> None:
    refused = {"standing": "refused", "language": "", "credits_per_minute": 0, "site": ""}
    call_id, line, _ = await talk([refused])
    assert call_id is None
    assert not line.is_answered


LANGUAGES = [*SPOKEN]


async def test_twenty_languages_are_three_pages_each_named_in_itself() -> None:
    many = {**ENTERED, "languages": LANGUAGES}
    call_id, line, desk = await talk([WELCOME, many, PLACED], "274915#", "3", "8", "8", "6", "1")
    assert str(call_id) == CALL
    assert desk.asked[2]["language"] == LANGUAGES[19] == "cs"
    spoken = [*zip(line.said, line.languages, strict=True)]
    assert ("Русский язык: нажмите 2.", "ru") in spoken
    assert ("Pro češtinu stiskněte 6.", "cs") in spoken
    assert spoken[-1][1] == "cs"


@pytest.mark.parametrize(
    ("keys", "language"),
    [
        (("3", "0", "1"), None),  # back
        (("3", "8", "8", "8", "2", "1"), "es"),  # around
        (("3", "9", "4", "1"), "de"),  # once more
        (("3", "*", "4", "1"), "de"),  # a key that means nothing
        (("3", "", "1"), None),  # silence
    ],
)
async def test_a_list_turns_repeats_and_goes_back(
    keys: tuple[str, ...], language: str | None
) -> None:
    many = {**ENTERED, "languages": LANGUAGES}
    _, _, desk = await talk([WELCOME, many, PLACED], "274915#", *keys)
    assert desk.asked[2]["language"] == language


async def test_an_operator_who_is_set_takes_the_caller() -> None:
    staffed = {**ENTERED, "operator": OPERATOR}
    call_id, line, desk = await talk([WELCOME, staffed], "274915#", "0", takes_transfer=True)
    assert call_id is None
    assert line.handed_to == [OPERATOR]
    assert line.said[-1] == "I am connecting you."
    assert len(desk.asked) == 2, "no call was asked for"


async def test_an_operator_who_does_not_answer_brings_the_caller_back_to_the_menu() -> None:
    staffed = {**ENTERED, "operator": OPERATOR}
    call_id, line, _ = await talk([WELCOME, staffed, PLACED], "274915#", "0", "", "", "1")
    assert str(call_id) == CALL
    assert line.handed_to == [OPERATOR]
    assert "There is nobody at the desk now. Please write to us at call.test." in line.said


async def test_a_choice_that_costs_more_is_said_before_there_is_a_call_and_can_be_undone() -> None:
    menu = {**ENTERED, "characters": [RAMONA, DEAR]}
    call_id, line, desk = await talk([WELCOME, menu, PLACED], "274915#", "2", "2", "", "1")
    assert str(call_id) == CALL
    assert line.said[-2:] == ["This call costs 2500 credits a minute.", line.said[1]]
    assert desk.asked[2]["credits_per_minute_max"] == 2500
    _, line, desk = await talk([WELCOME, menu, PLACED], "274915#", "2", "2", "", "2", "1", "", "1")
    assert "This call costs 1000 credits a minute." in line.said
    assert desk.asked[2]["credits_per_minute_max"] == 1000


async def test_nothing_is_said_once_there_is_a_call() -> None:
    """Speech takes seconds to make, and after five without an agent another one is called."""

    class Watched(Desk):
        async def ask(self, path: str, body: BaseModel, answer: type[Any], /) -> Any:
            before_call.append(len(line.said))
            return await super().ask(path, body, answer)

    before_call: list[int] = []
    line = Telephone(["274915#", "2", "2", "", "1"])
    menu = {**ENTERED, "characters": [RAMONA, DEAR]}
    assert str(await reception(line, Watched([WELCOME, menu, PLACED])).run()) == CALL
    assert before_call[-1] == len(line.said)


async def test_whoever_leans_on_the_keypad_gets_an_end() -> None:
    line = Telephone(["274915#", *["9"] * 50])
    async with asyncio.timeout(5):
        assert str(await reception(line, Desk([WELCOME, ENTERED, PLACED])).run()) == CALL


async def test_keys_of_others_and_keys_before_the_question_count_for_nothing() -> None:
    line = Telephone([])
    keypad = Keypad(line.room, CALLER)
    line.press("7", by="agent-1")
    line.press("8")
    keypad.forget()
    line.press("9")
    assert await keypad.key() == "9"
    for _ in range(100):
        line.press("1")
    assert await keypad.rest("", count=200, quiet_s=0.01) == "1" * 32, "bounded"
    keypad.close()
    line.press("1")
    assert await keypad.rest("", count=1, quiet_s=0.01) == ""


async def test_a_star_between_the_digits_of_a_pin_is_passed_over() -> None:
    call_id, _, desk = await talk([WELCOME, ENTERED, PLACED], "27*49A15#")
    assert str(call_id) == CALL
    assert desk.asked[1]["digits"] == "274915"
