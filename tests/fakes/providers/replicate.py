"""Predictions as at Replicate: made, asked after, cancelled; their files on the same host."""

import itertools
from typing import Any

from aiohttp import web

from tests.fakes.providers import recordings
from tests.fakes.providers.server import ProviderServer
from tests.fakes.providers.trouble import Trouble

POLLS = 2  # a prediction is asked after so often before it is done


class ReplicateServer(ProviderServer):
    """`output` replaces the address of the file; `never_done` keeps predictions running."""

    output: Any = None
    never_done: bool = False

    def __init__(self) -> None:
        super().__init__()
        self.cancelled: list[str] = []
        self._numbers = itertools.count(1)
        self._polls: dict[str, int] = {}
        self._errors: dict[str, str] = {}

    def routes(self) -> list[web.RouteDef]:
        return [
            web.post("/v1/predictions", self._create),
            web.post("/v1/models/{owner}/{name}/predictions", self._create),
            web.get("/v1/predictions/{id}", self._get),
            web.post("/v1/predictions/{id}/cancel", self._cancel),
            web.get("/files/{name}", self._file),
        ]

    def carries_audio(self, request: web.Request) -> bool:
        if self.trouble is Trouble.STALLS:
            return request.method == "POST"
        return request.path.startswith("/files/")

    def asks(self, request: web.Request) -> bool:
        return request.method == "POST" and request.path.endswith("predictions")

    def refusal(self, status: int, words: str, *, kind: str) -> web.Response:
        return web.json_response({"title": kind, "detail": words, "status": status}, status=status)

    def content_refusal(self) -> web.Response:
        return self._made(status="failed", error="NSFW content detected. Try another prompt.")

    def too_long_refusal(self) -> web.Response:
        return self.refusal(422, "input.text: String is too long", kind="Input validation failed")

    def without_audio(self) -> web.Response:
        return self._made(status="succeeded", output=None)

    async def _create(self, _request: web.Request) -> web.Response:
        return self._made(status="starting")

    async def _get(self, request: web.Request) -> web.Response:
        number = request.match_info["id"]
        self._polls[number] = self._polls.get(number, 0) + 1
        if self.never_done or self._polls[number] < POLLS:
            return self._shown(number, status="processing")
        address = f"{self.base_url}/files/{number}.mp3"
        output = address if self.output is None else self.output
        return self._shown(number, status="succeeded", output=output)

    async def _cancel(self, request: web.Request) -> web.Response:
        self.cancelled.append(request.match_info["id"])
        return self._shown(request.match_info["id"], status="canceled")

    async def _file(self, request: web.Request) -> web.Response:
        assert "Authorization" not in request.headers
        return web.Response(body=recordings.mp3(), content_type="audio/mpeg")

    def _made(self, **state: Any) -> web.Response:
        return self._shown(f"p{next(self._numbers)}", http_status=201, **state)

    def _shown(self, number: str, *, http_status: int = 200, **state: Any) -> web.Response:
        urls = {
            "get": f"{self.base_url}/v1/predictions/{number}",
            "cancel": f"{self.base_url}/v1/predictions/{number}/cancel",
        }
        prediction = {
            "id": number,
            "model": "owner/name",
            "version": "v",
            "input": {},
            "output": None,
            "error": None,
            "logs": "",
            "created_at": "2026-11-21T12:00:00Z",
            "urls": urls,
            **state,
        }
        return web.json_response(prediction, status=http_status)
