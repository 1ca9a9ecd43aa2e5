"""The servers' tools for all calls of a process. Without a server the SDK (22 MB) is not loaded."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from importlib import import_module
from typing import Any

from agent.tools.mcp.settings import McpServer
from agent.tools.port import MoreTools, NoMoreTools


def load_sdk(servers: Sequence[McpServer]) -> Any:
    """Before the worker forks, so that its processes share the memory; None without servers."""
    return import_module("agent.tools.mcp.using") if servers else None


@asynccontextmanager
async def open_servers(servers: Sequence[McpServer]) -> AsyncIterator[Callable[[], MoreTools]]:
    """What makes the tools of one call; nobody waits for a server."""
    sdk = load_sdk(servers)
    if sdk is None:
        yield NoMoreTools
        return
    catalogue = sdk.McpCatalogue(servers)
    looking = asyncio.create_task(catalogue.keep_current())
    try:
        yield lambda: sdk.McpUse(catalogue)
    finally:
        looking.cancel()
        await asyncio.wait({looking})
