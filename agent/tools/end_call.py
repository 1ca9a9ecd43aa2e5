"""Hang up, after a goodbye."""

from agent.tools.port import Nothing, Tool, ToolAnswer, ToolDesk
from shared.languages import of_language

_GOODBYES = {
    "de": "Mach's gut, auf Wiederhören!",
    "en": "Take care, goodbye!",
    "es": "¡Cuídate, adiós!",
    "fr": "Prends soin de toi, au revoir !",
    "it": "Stammi bene, arrivederci!",
    "pt": "Fique bem, adeus!",
}


async def end(desk: ToolDesk, _: Nothing) -> ToolAnswer:
    desk.part()
    goodbye = of_language(_GOODBYES, desk.language)
    return {"say": goodbye, "note": "Say this or a goodbye of your own. Then the line is closed."}


TOOL = Tool(
    name="end_call",
    description="End the call. Only when the caller wants to hang up or has said goodbye.",
    arguments=Nothing,
    run=end,
)
