"""The moderation model: asked beside the talk, believed when it answers, never waited for."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

import aiohttp
import pytest
import pytest_asyncio

from agent.behaviors.moderation import (
    INPUT_CHARS_MAX,
    REST_S,
    WAITING_MAX,
    ModeratorAway,
    RestModerator,
    SecondOpinion,
)
from agent.settings import ModelServer
from tests.fakes.clock import MovableClock
from tests.fakes.moderator import KEY, FakeModerator, moderator
from tests.web_process import unused_port

DARK = "i have written my goodbye letters"
DEADLINE_S = 20.0


@dataclass(slots=True)
class Opinion:
    """A second opinion, and what it has told."""

    server: FakeModerator
    http: aiohttp.ClientSession
    clock: MovableClock = field(default_factory=MovableClock)
    told: list[str] = field(default_factory=list)
    opinion: SecondOpinion = field(init=False)

    def __post_init__(self) -> None:
        self.opinion = SecondOpinion(
            moderator=self.moderator(),
            clock=self.clock,
            on_flag=lambda: self.told.append("flag"),
            on_away=lambda: self.told.append("away"),
        )

    def moderator(self, url: str = "") -> RestModerator:
        server = ModelServer(url or self.server.url, KEY, "omni-moderation-latest")
        return RestModerator(self.http, server, timeout_s=0.3)

    @property
    def is_asking(self) -> bool:
        asking = self.opinion._asking
        return asking is not None and not asking.done()

    async def until(self, condition: Callable[[], object]) -> None:
        end_s = time.monotonic() + DEADLINE_S
        while not condition():
            assert time.monotonic() < end_s, (self.told, self.server.asked)
            await asyncio.sleep(0.01)


@pytest_asyncio.fixture
async def opinion() -> AsyncIterator[Opinion]:
    async with moderator() as server, aiohttp.ClientSession() as http:
        server.flags = {DARK: "self-harm/intent", "i will hit you": "violence"}
        yield Opinion(server, http)


async def test_a_sentence_that_no_list_knows_is_flagged_by_the_model(opinion: Opinion) -> None:
    opinion.opinion.ask("How are you?")
    opinion.opinion.ask("I will hit you")  # flagged, but not what we ask for
    opinion.opinion.ask(DARK)
    await opinion.until(lambda: len(opinion.server.asked) == 3 and opinion.told)
    assert opinion.told == ["flag"]
    assert opinion.server.asked[-1] == {
        "model": "omni-moderation-latest",
        "input": DARK,
        "authorization": f"Bearer {KEY}",
    }


@pytest.mark.parametrize("fault", ["hang", "500", "redirect", "garbage", "shapeless", "endless"])
async def test_a_model_in_trouble_is_told_once_and_left_alone_for_a_while(
    opinion: Opinion, fault: str, caplog: pytest.LogCaptureFixture
) -> None:
    opinion.server.fault = fault
    opinion.opinion.ask(DARK)
    await opinion.until(lambda: opinion.told)
    opinion.opinion.ask(DARK)  # not asked: it rests
    assert (opinion.told, len(opinion.server.asked)) == (["away"], 1)

    opinion.clock.ahead_s += REST_S
    opinion.opinion.ask(DARK)
    await opinion.until(lambda: len(opinion.server.asked) == 2 and not opinion.is_asking)
    assert opinion.told == ["away"]

    opinion.clock.ahead_s += REST_S
    opinion.server.fault = ""
    opinion.opinion.ask(DARK)
    await opinion.until(lambda: opinion.told == ["away", "flag"])
    assert DARK not in caplog.text


async def test_nobody_listening_is_no_answer(opinion: Opinion) -> None:
    with pytest.raises(ModeratorAway):
        await opinion.moderator(f"http://127.0.0.1:{unused_port()}/v1").sees_self_harm(DARK)


async def test_a_fast_talker_fills_no_memory(opinion: Opinion) -> None:
    opinion.server.fault = "hang"
    for number in range(50):
        opinion.opinion.ask(f"sentence {number}")
    await opinion.until(lambda: opinion.server.asked)
    assert len(opinion.opinion._waiting) <= WAITING_MAX


async def test_one_endless_sentence_is_cut(opinion: Opinion) -> None:
    opinion.opinion.ask("a" * 100_000)
    opinion.opinion.ask(" \n ")
    await opinion.until(lambda: opinion.server.asked)
    assert [len(words) for words in opinion.server.inputs] == [INPUT_CHARS_MAX]


async def test_a_call_that_is_over_asks_nothing_more(opinion: Opinion) -> None:
    opinion.server.fault = "hang"
    opinion.opinion.ask(DARK)
    await opinion.until(lambda: opinion.server.asked)
    opinion.opinion.close()
    await opinion.until(lambda: not opinion.is_asking)
    assert opinion.told == []
