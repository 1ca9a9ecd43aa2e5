"""What is said of the time that is left, and when it is only shown."""

import asyncio
from collections.abc import Generator
from dataclasses import dataclass, field
from typing import Any, cast

import pytest
from livekit.agents import AgentSession  # noqa: TID251 - what it speaks through

from agent.behaviors.final_minute import FinalMinute
from agent.meter import Cue
from agent.page import Page
from shared.call_protocol import Notice


class Said:
    """A sentence that was said to its end."""

    chat_items = ("said",)

    def __await__(self) -> Generator[None, None, None]:
        yield


@dataclass
class SessionToHear:
    """A quiet one that says at once what it is told to."""

    said: list[str] = field(default_factory=list)
    user_state: str = "listening"
    agent_state: str = "listening"

    @property
    def input(self) -> "SessionToHear":
        return self

    def set_audio_enabled(self, enable: bool) -> None:
        del enable

    async def interrupt(self) -> None:
        return None

    def generate_reply(self, *, instructions: str) -> Any:
        self.said.append(instructions)
        return Said()


@dataclass
class PageToRead:
    shown: list[str] = field(default_factory=list)

    def notify(self, notice: Notice) -> None:
        self.shown.append(notice.kind)

    def toast(self, words: str, *, variant: str) -> None:
        del words, variant


CUES = [Cue.WARN_FIRST, Cue.WARN_LAST, Cue.WITHDRAWN, Cue.GOODBYE]


@pytest.mark.parametrize("is_spoken", [True, False])
async def test_a_character_that_says_goodbye_is_not_talked_over(is_spoken: bool) -> None:
    """Our warnings and our goodbye cut into the character's own."""
    for cue in CUES:
        session, page = SessionToHear(), PageToRead()
        minute = FinalMinute(cast("AgentSession[None]", session), cast("Page", page), language="en")
        minute.take(cue, 20, is_spoken=is_spoken)
        for _ in range(10):
            await asyncio.sleep(0)
        assert (len(page.shown), len(session.said)) == (1, int(is_spoken)), cue


def test_the_end_has_begun_until_credit_comes() -> None:
    async def take(*cues: Cue) -> bool:
        session, page = SessionToHear(), PageToRead()
        minute = FinalMinute(cast("AgentSession[None]", session), cast("Page", page), language="en")
        for cue in cues:
            minute.take(cue, 20, is_spoken=False)
        return minute.has_begun

    assert not asyncio.run(take())
    assert asyncio.run(take(Cue.WARN_FIRST))
    assert not asyncio.run(take(Cue.WARN_FIRST, Cue.WITHDRAWN))
