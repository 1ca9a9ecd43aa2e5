"""The anchor of every HTTP number: a FastAPI route that reads its body and does nothing."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI, Request

from local.ports import free_ports

START_MAX_S = 20.0


def create_app() -> FastAPI:
    app = FastAPI()

    @app.post("/noop")
    async def noop(request: Request) -> dict[str, bool]:
        await request.body()
        return {"ok": True}

    return app


@asynccontextmanager
async def noop_server() -> AsyncIterator[int]:
    """Serve it in a process of its own; yields the port."""
    port = free_ports().web
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "uvicorn", "local.bench.noop:create_app", "--factory"),
        *("--host", "127.0.0.1", "--port", str(port), "--log-level", "warning"),
        "--no-access-log",
    )
    try:
        await wait_until_it_listens(port)
        yield port
    finally:
        process.terminate()
        await process.wait()


async def wait_until_it_listens(port: int) -> None:
    async with asyncio.timeout(START_MAX_S):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.05)
                continue
            writer.close()
            return
