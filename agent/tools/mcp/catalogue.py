"""
What the servers offer, known before a call asks: each process looks itself, in the background.

A server that is away is tried again; a call that begins meanwhile goes without its tools.
"""

import asyncio
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from mcp import Client

from agent.tools.mcp.connection import connected
from agent.tools.mcp.settings import McpServer
from shared.log import get_logger

log = get_logger(__name__)

REFRESH_S: Final = 300.0
RETRY_S: Final = 15.0
LIST_MAX_S: Final = 10.0
PAGES_MAX: Final = 10
NAME_CHARS_MAX: Final = 64  # what models take
DESCRIPTION_CHARS_MAX: Final = 400
SCHEMA_CHARS_MAX: Final = 4_000

_NOT_IN_A_NAME: Final = re.compile(r"[^A-Za-z0-9_-]")


@dataclass(frozen=True, slots=True)
class McpTool:
    """A tool of a server: `name` as the server has it, `offered_as` as the model sees it."""

    server: McpServer
    name: str
    offered_as: str
    description: str
    schema: dict[str, Any]


class McpCatalogue:
    """`tools` may be read from any thread."""

    def __init__(self, servers: Sequence[McpServer]) -> None:
        self.servers = tuple(servers)
        self._found: dict[str, tuple[McpTool, ...]] = {}

    @property
    def tools(self) -> tuple[McpTool, ...]:
        """As last seen, in the order of the setting."""
        found = self._found
        return tuple(tool for server in self.servers for tool in found.get(server.name, ()))

    async def keep_current(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for server in self.servers:
                tasks.create_task(self._watch(server))

    async def look(self, server: McpServer) -> bool:
        """Whether the server has answered. What it said before holds while it does not."""
        try:
            async with asyncio.timeout(LIST_MAX_S), connected(server) as client:
                tools = await _listed(client, server)
        except Exception as problem:  # noqa: BLE001 - the edge to somebody else's server
            log.warning("tool_server_away", dependency=server.name, error=type(problem).__name__)
            return False
        missing = len(set(server.tools)) - len(tools)
        if missing:
            log.warning("tools_not_offered", dependency=server.name, count=missing)
        self._found = {**self._found, server.name: tools}
        return True

    async def _watch(self, server: McpServer) -> None:
        while True:
            is_there = await self.look(server)
            await asyncio.sleep(REFRESH_S if is_there else RETRY_S)


async def _listed(client: Client, server: McpServer) -> tuple[McpTool, ...]:
    """Those the operator has named, each once; one that no model could take is left out."""
    found: dict[str, McpTool] = {}
    cursor: str | None = None
    for _ in range(PAGES_MAX):
        page = await client.list_tools(cursor=cursor)
        for raw in page.tools:
            tool = McpTool(
                server=server,
                name=raw.name,
                offered_as=offered_name(server, raw.name),
                description=plain(raw.description or raw.name)[:DESCRIPTION_CHARS_MAX],
                schema=raw.input_schema,
            )
            if raw.name in server.tools and _is_fit(tool):
                found.setdefault(tool.offered_as, tool)
        cursor = page.next_cursor
        if cursor is None:
            break
    return tuple(found.values())


def offered_name(server: McpServer, name: str) -> str:
    """Two underscores: no tool of ours has them, so none can be hidden by another's."""
    return f"{server.name}__{_NOT_IN_A_NAME.sub('_', name)}"


def plain(text: str) -> str:
    """One line without anything invisible."""
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())


def _is_fit(tool: McpTool) -> bool:
    return (
        len(tool.offered_as) <= NAME_CHARS_MAX
        and tool.schema.get("type") == "object"
        and len(json.dumps(tool.schema)) <= SCHEMA_CHARS_MAX
    )
