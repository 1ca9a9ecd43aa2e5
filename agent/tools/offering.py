"""
The tools of one call, as the framework takes them.

Whatever a tool does, the talk goes on: it has a time limit, its arguments are checked, what goes
wrong is an answer in words, and a model that calls tools without end is told to stop.
"""

import asyncio
import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from livekit.agents.llm import RawFunctionTool, function_tool
from pydantic import ValidationError

from agent.charging_client import Refused, Unknown
from agent.prompt_guard import PromptGuard
from agent.tools import TOOLS
from agent.tools.port import Tool, ToolAnswer, ToolDesk
from shared.log import get_logger

log = get_logger(__name__)

USES_MAX = 60  # in one call, of all tools together
ANSWER_CHARS_MAX = 4_000
FAILED: ToolAnswer = {"error": "That did not work. Say so in a few words and go on talking."}
TOO_MANY: ToolAnswer = {"error": "No tool may be used in this call any more. Go on talking."}


@dataclass(slots=True)
class Offering:
    """
    Counts the uses of all tools of one call.

    `guard` is the tools' own and never forgives: a secret prompt that is kept as somebody's memory,
    or told to another server, is read out as much as one that is spoken.
    """

    desk: ToolDesk
    uses_left: int = USES_MAX
    guard: PromptGuard | None = None
    running: int = 0

    def tools(
        self, names: Iterable[str], more: Iterable[Tool] = ()
    ) -> list[RawFunctionTool[..., Any]]:
        """Those of ours by these names, and `more`; a name that is taken is not offered again."""
        found = {name: TOOLS[name] for name in names if name in TOOLS}
        for tool in more:
            if tool.name not in TOOLS:
                found.setdefault(tool.name, tool)
        return [self._offered(tool) for tool in found.values()]

    async def use(self, tool: Tool, raw: dict[str, Any]) -> ToolAnswer:
        """What the tool answers, or words about why it did not. Never raises."""
        if self.uses_left <= 0:
            return TOO_MANY
        self.uses_left -= 1
        if raw and self._reads_out(raw):
            log.warning("prompt_guarded", kind=tool.name)
            return FAILED
        try:
            arguments = tool.arguments.model_validate(raw)
        except ValidationError as problem:
            fields = ["".join(map(str, issue["loc"][:1])) for issue in problem.errors()]
            return {"error": f"These arguments are wrong: {', '.join(fields)}."}
        try:
            async with asyncio.timeout(tool.timeout_s):
                return await tool.run(self.desk, arguments)
        except (Refused, Unknown, TimeoutError) as problem:
            log.warning("tool_failed", kind=tool.name, error=type(problem).__name__)
        except Exception:
            # The edge of somebody's own tool: the call is worth more than the tool.
            log.exception("tool_broke", kind=tool.name)
        return FAILED

    def _reads_out(self, raw: dict[str, Any]) -> bool:
        if self.guard is None:
            return False
        self.guard.feed(json.dumps(raw, ensure_ascii=False, default=str))
        self.guard.flush()
        return self.guard.has_leaked

    def _offered(self, tool: Tool) -> RawFunctionTool[..., Any]:
        async def run(raw_arguments: dict[str, object]) -> str:
            self.running += 1
            try:
                answer = await self.use(tool, dict(raw_arguments))
            finally:
                self.running -= 1
            return json.dumps(answer, ensure_ascii=False)[:ANSWER_CHARS_MAX]

        return function_tool(
            run,
            raw_schema={
                "name": tool.name,
                "description": tool.description,
                "parameters": schema_of(tool, self.desk),
            },
        )


def schema_of(tool: Tool, desk: ToolDesk) -> dict[str, Any]:
    """JSON schema of the arguments, without what only a reader of Python would miss."""
    schema = tool.arguments.model_json_schema()
    properties = {
        name: {key: value for key, value in field.items() if key != "title"}
        for name, field in schema.get("properties", {}).items()
    }
    plain = {
        "type": "object",
        "properties": properties,
        "required": schema.get("required", []),
    }
    return tool.adapt(plain, desk) if tool.adapt else plain
