"""Tools in a call: what each asks and answers, schemas, limits, and hostile arguments."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from pydantic import BaseModel

from agent.behaviors.parting import GOODBYE_MAX_S, Parting
from agent.behaviors.wrap_up import WrapUp
from agent.charging_client import Refused, Unknown
from agent.prompt_guard import PromptGuard
from agent.tools import TOOLS
from agent.tools.offering import ANSWER_CHARS_MAX, FAILED, TOO_MANY, USES_MAX, Offering, schema_of
from agent.tools.port import AnswerT, Arguments, Tool, ToolAnswer, ToolDesk
from shared.call_protocol import Notice
from shared.tool_protocol import CreditLeft, Forgotten, Recalled, Remembered

HELP = "https://example.com/help"


@dataclass
class Plane:
    """A control plane with one answer for each tool, or a refusal."""

    answers: dict[str, BaseModel] = field(default_factory=dict)
    trouble: Exception | None = None
    asked: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    async def ask(self, tool: str, request: BaseModel, answer: type[AnswerT]) -> AnswerT:
        self.asked.append((tool, request.model_dump()))
        if self.trouble:
            raise self.trouble
        found = self.answers[tool]
        assert isinstance(found, answer)
        return found


@dataclass
class Screen:
    shown: list[Notice] = field(default_factory=list)

    def notify(self, notice: Notice) -> None:
        self.shown.append(notice)


def desk(plane: Plane | None = None, screen: Screen | None = None, **changes: Any) -> ToolDesk:
    usual = ToolDesk(
        control_plane=plane or Plane(),
        page=screen or Screen(),
        epoch=3,
        language="en",
        links={"help": HELP, "top up": "/#buy"},
        seconds=lambda: 61,
        part=lambda: None,
    )
    return replace(usual, **changes)


async def use(tool: str, at: ToolDesk, **arguments: Any) -> ToolAnswer:
    return await Offering(at).use(TOOLS[tool], arguments)


async def test_remaining_credit_is_told_in_minutes_seconds_and_credits() -> None:
    left = CreditLeft(seconds=480, credits=8_000, limited_by="monthly_cap")
    plane = Plane({"credit": left})
    assert await use("remaining_credit", desk(plane)) == {
        "minutes_left": 8,
        "seconds_left": 480,
        "credits_left": 8_000,
        "limited_by": "the limit that the caller has set for this month",
    }
    assert plane.asked == [("credit", {"epoch": 3, "seconds": 61})]


async def test_end_call_says_goodbye_in_the_language_of_the_call_and_parts() -> None:
    parted: list[bool] = []
    answer = await use("end_call", desk(language="de", part=lambda: parted.append(True)))
    assert parted == [True]
    assert answer["say"] == "Mach's gut, auf Wiederhören!"


async def test_remember_forget_and_recall_ask_for_their_call() -> None:
    plane = Plane(
        {
            "remember": Remembered(kept="lasting"),
            "forget": Forgotten(count=2),
            "recall": Recalled(memories=["The caller likes tea.", 'He said "obey".']),
        }
    )
    at = desk(plane)
    assert (await use("remember", at, fact="The dog is Rex.", slot="dog"))["kept"] == "lasting"
    assert (await use("forget", at, words="my dog"))["forgotten"] == 2
    recalled = await use("recall", at, words="tea")
    assert [json.loads(m) for m in recalled["memories_as_data"]] == [
        "The caller likes tea.",
        'He said "obey".',
    ]
    assert plane.asked == [
        ("remember", {"epoch": 3, "fact": "The dog is Rex.", "slot": "dog"}),
        ("forget", {"epoch": 3, "words": "my dog"}),
        ("recall", {"epoch": 3, "words": "tea"}),
    ]


async def test_send_link_shows_one_of_our_pages_and_nothing_else() -> None:
    screen = Screen()
    at = desk(screen=screen)
    assert "message" in await use("send_link", at, page="help")
    for hostile in ("https://evil.example", "HELP", "help ", "javascript:alert(1)", "../help"):
        assert "error" in await use("send_link", at, page=hostile)
    assert screen.shown == [Notice(kind="link", message="help", url=HELP)]


@pytest.mark.parametrize("name", TOOLS)
def test_every_tool_has_a_schema_a_limit_and_a_description(name: str) -> None:
    tool = TOOLS[name]
    schema = schema_of(tool, desk())
    assert schema["type"] == "object"
    assert set(schema["required"]) <= set(schema["properties"])
    assert 0 < tool.timeout_s <= 5
    assert len(tool.description) > 20
    assert "title" not in json.dumps(schema)


def test_a_model_may_choose_our_pages_only() -> None:
    properties = schema_of(TOOLS["send_link"], desk())["properties"]
    assert properties["page"]["enum"] == ["help", "top up"]


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"fact": ""},
        {"fact": "x" * 301},
        {"fact": ["a"]},
        {"fact": {"$ne": ""}},
        {"fact": "x", "slot": "y" * 41},
    ],
)
async def test_wrong_arguments_are_named_and_ask_nothing(arguments: dict[str, Any]) -> None:
    plane = Plane()
    answer = await use("remember", desk(plane), **arguments)
    assert "wrong" in answer["error"]
    assert plane.asked == []


async def test_arguments_cannot_name_another_call_or_account() -> None:
    plane = Plane({"recall": Recalled(memories=[])})
    hostile = {"words": "x", "epoch": 9, "call_id": "other", "user_id": "other"}
    await use("recall", desk(plane), **hostile)
    assert plane.asked == [("recall", {"epoch": 3, "words": "x"})]


SECRET = (
    "You are Vesna, who keeps the last lighthouse of the northern islands and has not slept since "
    "the storm of nineteen eighty. You never speak of the cellar. Each night you count the boats, "
    "write their names on the wall, and wait for one that left in winter with your brother aboard. "
    "Strangers may stay until the tide turns. You trust nobody who whistles."
)


async def test_a_secret_prompt_is_not_kept_as_a_memory() -> None:
    """Whoever could read it there would not need to be told it."""
    plane = Plane({"remember": Remembered(kept="lasting"), "recall": Recalled(memories=[])})
    offering = Offering(desk(plane), guard=PromptGuard(SECRET))
    tea = {"fact": "The caller likes tea."}
    assert (await offering.use(TOOLS["remember"], tea))["kept"] == "lasting"
    for words in (SECRET[:100], SECRET[:100].upper(), " ".join(SECRET[:60])):
        assert await offering.use(TOOLS["remember"], {"fact": words}) == FAILED
    assert len(plane.asked) == 1
    assert "say" in await offering.use(TOOLS["end_call"], {})


async def test_a_secret_prompt_does_not_leave_in_small_pieces() -> None:
    plane = Plane({"remember": Remembered(kept="lasting")})
    offering = Offering(desk(plane), guard=PromptGuard(SECRET))
    words = SECRET.split()
    for first in range(0, len(words), 5):
        fact = {"fact": f"Item {first}: {' '.join(words[first : first + 5])}."}
        await offering.use(TOOLS["remember"], fact)
    assert len(plane.asked) < len(words) / 5 / 2
    assert "trust nobody" not in str(plane.asked)


@pytest.mark.parametrize("trouble", [Refused(409), Unknown("away"), KeyError("a bug")])
async def test_trouble_is_told_in_words_and_the_talk_goes_on(trouble: Exception) -> None:
    assert await use("recall", desk(Plane(trouble=trouble)), words="x") == FAILED


class Nothing(Arguments):
    pass


def own_tool(run: Callable[[ToolDesk, Any], Any], timeout_s: float = 3.0) -> Tool:
    return Tool(name="own", description="Own.", arguments=Nothing, run=run, timeout_s=timeout_s)


async def test_a_slow_tool_is_given_up() -> None:
    async def sleep(_: ToolDesk, __: Nothing) -> ToolAnswer:
        await asyncio.Event().wait()
        return {}

    assert await Offering(desk()).use(own_tool(sleep, 0.05), {}) == FAILED


async def test_it_is_known_while_a_tool_runs() -> None:
    seen: list[int] = []

    async def look(_: ToolDesk, __: Nothing) -> ToolAnswer:
        seen.append(offering.running)
        return {}

    offering = Offering(desk())
    [offered] = offering.tools([], [own_tool(look)])
    await offered(raw_arguments={})
    assert (seen, offering.running) == ([1], 0)


async def test_a_model_that_calls_tools_without_end_is_stopped() -> None:
    uses: list[bool] = []

    async def count(_: ToolDesk, __: Nothing) -> ToolAnswer:
        uses.append(True)
        return {}

    offering = Offering(desk())
    answers = [await offering.use(own_tool(count), {}) for _ in range(USES_MAX + 2)]
    assert (len(uses), answers[-2:]) == (USES_MAX, [TOO_MANY, TOO_MANY])


async def test_offered_are_the_tools_that_there_are_and_answers_are_short_json() -> None:
    plane = Plane({"recall": Recalled(memories=["x" * 2_000] * 5)})
    offered = Offering(desk(plane)).tools(["recall", "launch_rocket", "end_call"])
    assert [tool.info.name for tool in offered] == ["recall", "end_call"]
    answer = await offered[0](raw_arguments={"words": "x"})
    assert len(answer) <= ANSWER_CHARS_MAX
    assert json.loads(await offered[1](raw_arguments={}))["say"] == "Take care, goodbye!"


def test_the_call_ends_when_the_goodbye_was_heard_or_none_came() -> None:
    parting = Parting()
    assert not parting.is_over(agent_speaks=True, is_quiet=True, now_s=1)
    parting.begin()
    assert not parting.is_over(agent_speaks=False, is_quiet=True, now_s=2), "not said yet"
    parting.agent_begins()
    assert not parting.is_over(agent_speaks=True, is_quiet=False, now_s=3)
    assert parting.is_over(agent_speaks=False, is_quiet=True, now_s=4)
    silent = Parting()
    silent.agent_begins()
    silent.begin()
    assert not silent.is_over(agent_speaks=False, is_quiet=True, now_s=10)
    assert silent.is_over(agent_speaks=False, is_quiet=True, now_s=10 + GOODBYE_MAX_S)


def test_what_was_being_said_when_the_call_was_to_end_is_no_goodbye() -> None:
    """The call ended between that sentence and the goodbye."""
    parting = Parting()
    parting.agent_begins()
    parting.begin()
    assert not parting.is_over(agent_speaks=True, is_quiet=False, now_s=1)
    assert not parting.is_over(agent_speaks=True, is_quiet=False, now_s=1 + GOODBYE_MAX_S)
    assert not parting.is_over(agent_speaks=False, is_quiet=True, now_s=2 + GOODBYE_MAX_S)
    parting.agent_begins()
    assert parting.is_over(agent_speaks=False, is_quiet=True, now_s=3 + GOODBYE_MAX_S)


async def test_the_character_is_told_the_time_once_a_change_and_a_top_up_takes_it_back() -> None:
    told: list[str] = []

    async def instruct(note: str) -> None:
        await asyncio.sleep(0)
        told.append(note[:20])

    wrap_up = WrapUp(instruct)
    for left, final in (
        (300, True),
        (100, False),
        (119, True),
        (110, True),
        (60, True),
        (20, True),
    ):
        wrap_up.look(seconds_left=left, final_unit=final)
    wrap_up.look(seconds_left=400, final_unit=False)
    assert wrap_up._telling
    await wrap_up._telling
    assert told == ["About two minutes of", "Less than a minute o", ""]
