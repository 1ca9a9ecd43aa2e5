"""An application on a port of its own, for a browser."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvicorn
from starlette.applications import Starlette

START_LIMIT_S = 10
START_POLL_S = 0.02


@asynccontextmanager
async def served(app: Starlette) -> AsyncIterator[str]:
    """Its address; whoever opened `app` goes through its lifespan."""
    server = uvicorn.Server(uvicorn.Config(app, "127.0.0.1", 0, log_level="error", lifespan="off"))
    serving = asyncio.create_task(server.serve())
    try:
        async with asyncio.timeout(START_LIMIT_S):
            while not server.started:
                await asyncio.sleep(START_POLL_S)
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        server.force_exit = True  # a browser keeps its connections open
        await serving
