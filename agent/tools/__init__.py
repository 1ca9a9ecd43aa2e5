"""What the agent can do in a call besides talking: one file a tool, its name in `TOOL_NAMES`."""

from importlib import import_module

from agent.tools.port import Tool
from shared.tool_protocol import TOOL_NAMES

TOOLS: dict[str, Tool] = {name: import_module(f"agent.tools.{name}").TOOL for name in TOOL_NAMES}
