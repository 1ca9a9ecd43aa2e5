"""Erase what the caller wants forgotten."""

from typing import Annotated

from pydantic import Field

from agent.tools.port import Arguments, Tool, ToolAnswer, ToolDesk
from shared.tool_protocol import WORDS_CHARS_MAX, Forget, Forgotten


class What(Arguments):
    words: Annotated[
        str,
        Field(
            min_length=1,
            max_length=WORDS_CHARS_MAX,
            description="What to forget, in the caller's words.",
        ),
    ]


async def forget(desk: ToolDesk, what: What) -> ToolAnswer:
    request = Forget(epoch=desk.epoch, words=what.words)
    answer = await desk.control_plane.ask("forget", request, Forgotten)
    return {"message": "It is forgotten.", "forgotten": answer.count}


TOOL = Tool(
    name="forget",
    description="Forget something about the caller for good. Only when the caller asks for it.",
    arguments=What,
    run=forget,
)
