"""The anchor of a cache hit: a FastAPI route that checks the same session JWT and does nothing."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

import jwt
from fastapi import Depends, FastAPI, HTTPException, Request

from local.bench.noop import wait_until_it_listens
from local.ports import free_ports

NAMES = ("SESSION_JWT_SECRET", "SESSION_JWT_ISSUER", "SESSION_JWT_AUDIENCE")


def create_app() -> FastAPI:
    app = FastAPI()
    secret, issuer, audience = (os.environ[name] for name in NAMES)

    async def session(request: Request) -> str:
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        try:
            claims = jwt.decode(
                token, secret, algorithms=["HS256"], audience=audience, issuer=issuer
            )
        except jwt.PyJWTError:
            raise HTTPException(401) from None
        subject: str = claims["sub"]
        return subject

    @app.post("/api/generate-voice")
    async def nothing(
        request: Request, subject: Annotated[str, Depends(session)]
    ) -> dict[str, str]:
        await request.body()
        return {"url": subject}

    return app


@asynccontextmanager
async def session_anchor(environment: dict[str, str]) -> AsyncIterator[int]:
    """Serve it in a process of its own, as the web process is; yields the port."""
    port = free_ports().web
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "uvicorn", "local.bench.session_anchor:create_app", "--factory"),
        *("--host", "127.0.0.1", "--port", str(port), "--log-level", "warning"),
        *("--no-access-log", "--no-proxy-headers"),
        env={**os.environ, **{name: environment[name] for name in NAMES}},
    )
    try:
        await wait_until_it_listens(port)
        yield port
    finally:
        process.terminate()
        await process.wait()
