"""Keep a fact that the caller wants remembered."""

from typing import Annotated

from pydantic import Field

from agent.tools.port import Arguments, Tool, ToolAnswer, ToolDesk
from shared.tool_protocol import WORDS_CHARS_MAX, Remember, Remembered

_MESSAGES = {
    "lasting": "I will remember that.",
    "call": "I will keep it in mind for this call.",
    "off": "I cannot remember things; it is switched off.",
}


class Fact(Arguments):
    fact: Annotated[
        str,
        Field(
            min_length=1,
            max_length=WORDS_CHARS_MAX,
            description="One short sentence in the third person, as the caller told it.",
        ),
    ]
    slot: Annotated[
        str, Field(max_length=40, description="What it is about: name, sister, favourite_food.")
    ] = ""


async def remember(desk: ToolDesk, fact: Fact) -> ToolAnswer:
    request = Remember(epoch=desk.epoch, fact=fact.fact, slot=fact.slot)
    kept = (await desk.control_plane.ask("remember", request, Remembered)).kept
    return {"message": _MESSAGES[kept], "kept": kept}


TOOL = Tool(
    name="remember",
    description="Remember a fact about the caller. Only when the caller asks to remember it.",
    arguments=Fact,
    run=remember,
)
