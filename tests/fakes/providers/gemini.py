"""`generateContent`, `streamGenerateContent` and `countTokens` as at Google."""

import base64
import json
from typing import Any

from aiohttp import web

from tests.fakes.providers import recordings
from tests.fakes.providers.server import ProviderServer

USAGE = {"promptTokenCount": 12, "candidatesTokenCount": 88, "totalTokenCount": 100}
MIME_TYPE = "audio/L16;codec=pcm;rate=24000"
PIECES = 4


class GeminiServer(ProviderServer):
    """`usage`, `finish_reason` and `block_reason` may be changed before a request."""

    usage: dict[str, int] | None = USAGE
    finish_reason: str = "STOP"
    block_reason: str | None = None
    failing_models: tuple[str, ...] = ()

    def routes(self) -> list[web.RouteDef]:
        models = "/v1beta/models/{model:[^:]+}"
        return [
            web.post(f"{models}:generateContent", self._speak),
            web.post(f"{models}:streamGenerateContent", self._stream),
            web.post(f"{models}:countTokens", self._count),
        ]

    def refusal(self, status: int, words: str, *, kind: str) -> web.Response:
        error = {"code": status, "message": words, "status": kind}
        return web.json_response({"error": error}, status=status)

    def content_refusal(self) -> web.Response:
        return web.json_response(
            {"candidates": [{"finishReason": "PROHIBITED_CONTENT"}], "usageMetadata": USAGE}
        )

    def too_long_refusal(self) -> web.Response:
        words = "The input token count (9000) exceeds the maximum number of tokens allowed (8192)."
        return self.refusal(400, words, kind="INVALID_ARGUMENT")

    def without_audio(self) -> web.Response:
        feedback = {"blockReason": self.block_reason} if self.block_reason else None
        candidates = [{"finishReason": self.finish_reason}]
        return web.json_response({"candidates": candidates, "promptFeedback": feedback})

    async def _speak(self, request: web.Request) -> web.Response:
        if request.match_info["model"] in self.failing_models:
            return self.refusal(503, "The model is overloaded", kind="UNAVAILABLE")
        # Audio is where one would not look first: in the second part of the second candidate.
        spoken = {"content": {"parts": [{"text": "hm"}, _audio_part(recordings.pcm())]}}
        answer: dict[str, Any] = {"candidates": [{"finishReason": "STOP"}, spoken]}
        if self.usage is not None:
            answer["usageMetadata"] = self.usage
        return web.json_response(answer)

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        if request.match_info["model"] in self.failing_models:
            return self.refusal(503, "The model is overloaded", kind="UNAVAILABLE")
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        pcm = recordings.pcm()
        size = len(pcm) // PIECES // 2 * 2
        for start in range(0, len(pcm), size):
            piece = {"content": {"parts": [_audio_part(pcm[start : start + size])]}}
            event = json.dumps({"candidates": [piece]}).encode()
            await response.write(b"data: " + event + b"\r\n\r\n")
            await self.pause.wait()
            if self.trouble is not None:
                assert request.transport
                request.transport.abort()
                return response
        await response.write_eof()
        return response

    async def _count(self, request: web.Request) -> web.Response:
        text = (await request.json())["contents"][0]["parts"][0]["text"]
        return web.json_response({"totalTokens": len(text) // 4})


def _audio_part(pcm: bytes) -> dict[str, Any]:
    return {"inlineData": {"mimeType": MIME_TYPE, "data": base64.b64encode(pcm).decode()}}
