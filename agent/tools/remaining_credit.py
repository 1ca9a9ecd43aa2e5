"""How long the caller can still talk, and for how many credits."""

from agent.tools.port import Nothing, Tool, ToolAnswer, ToolDesk
from shared.tool_protocol import AskCredit, CreditLeft

_LIMITS = {
    "credit": "the credit",
    "monthly_cap": "the limit that the caller has set for this month",
    "free_allowance": "the free allowance",
    "longest_call": "the longest time of one call",
}


async def ask(desk: ToolDesk, _: Nothing) -> ToolAnswer:
    request = AskCredit(epoch=desk.epoch, seconds=desk.seconds())
    left = await desk.control_plane.ask("credit", request, CreditLeft)
    return {
        "minutes_left": left.seconds // 60,
        "seconds_left": left.seconds,
        "credits_left": left.credits,
        "limited_by": _LIMITS[left.limited_by],
    }


TOOL = Tool(
    name="remaining_credit",
    description="How much time and credit the caller has left. Only when the caller asks.",
    arguments=Nothing,
    run=ask,
)
