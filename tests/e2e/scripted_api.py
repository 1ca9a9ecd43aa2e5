"""
The call page served for real, with an /api that answers what a test says.

For what a healthy control plane can't be made to do on command; the full stack has its own test.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response

from control_plane.routes.page import page_router
from local.web_assets import ensure_web_assets
from tests.e2e.served_app import served

ROOT = Path(__file__).resolve().parents[2]
NOWHERE = "ws://127.0.0.1:9"  # the discard port: nobody listens


@dataclass(slots=True)
class Answer:
    body: Any
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    delay_s: float = 0


def refusal(status: int, words: str, **extra: Any) -> Answer:
    """An error body as upstream clients know it."""
    retry_after = extra.get("retryAfter")
    return Answer(
        {
            "error": words,
            "message": f"{words} ({status})",
            "status": status,
            "serverMessage": words,
            "retryAfter": None,
            **extra,
        },
        status,
        {"Retry-After": str(retry_after)} if retry_after else {},
    )


@dataclass(slots=True)
class ScriptedApi:
    """`answers` may be changed at any time; `asked` keeps what the page sent, oldest first."""

    answers: dict[str, Answer]
    asked: list[tuple[str, Any, str]] = field(default_factory=list)
    base_url: str = ""

    async def answer(self, request: Request) -> Response:
        body = await request.body()
        sent = await request.json() if body else None
        self.asked.append((request.url.path, sent, request.headers.get("authorization", "")))
        scripted = self.answers.get(request.url.path)
        if scripted is None:
            return JSONResponse(refusal(404, "Not found").body, 404)
        await asyncio.sleep(scripted.delay_s)
        return JSONResponse(scripted.body, scripted.status, scripted.headers)

    def sent_to(self, path: str) -> list[Any]:
        return [sent for asked, sent, _ in self.asked if asked == path]


def account(available: int = 10_000) -> dict[str, Answer]:
    """What a healthy control plane says to a new account."""
    return {
        "/dev/session": Answer({"userId": "u-1", "token": "session-of-ann"}),
        "/api/credits": Answer(
            {"amount": available, "reserved": 0, "available": available, "debt": 0}
        ),
        "/api/voices": Answer({"data": [{"name": n} for n in ("Ara", "Rex", "Sal", "Eve", "Leo")]}),
    }


@asynccontextmanager
async def serve_page(
    answers: dict[str, Answer],
    *,
    web_root: Path | None = None,
    livekit_url: str = NOWHERE,
    local: bool = True,
) -> AsyncIterator[ScriptedApi]:
    """The page and its API on a free port."""
    ensure_web_assets(ROOT, print)
    api = ScriptedApi(answers)
    app = FastAPI()
    web = web_root or ROOT / "web"
    app.include_router(page_router(web, livekit_url=livekit_url, local=local))
    app.add_api_route("/dev/session", api.answer, methods=["POST"])
    app.add_api_route("/api/{rest:path}", api.answer, methods=["GET", "POST", "DELETE"])
    async with served(app) as api.base_url:
        yield api
