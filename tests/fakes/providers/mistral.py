"""`POST /v1/audio/speech` as at Mistral: base64 in JSON."""

import base64

from aiohttp import web

from tests.fakes.providers import recordings
from tests.fakes.providers.server import ProviderServer


class MistralServer(ProviderServer):
    def routes(self) -> list[web.RouteDef]:
        return [web.post("/v1/audio/speech", self._speak)]

    def refusal(self, status: int, words: str, *, kind: str) -> web.Response:
        error = {"object": "error", "message": words, "type": kind.lower(), "code": "3000"}
        return web.json_response(error, status=status)

    def content_refusal(self) -> web.Response:
        return self.refusal(403, "The input violates the guardrails", kind="guardrail_violation")

    def too_long_refusal(self) -> web.Response:
        return self.refusal(400, "Input is too long for the model", kind="invalid_request")

    def without_audio(self) -> web.Response:
        return web.json_response({"audio_data": ""})

    async def _speak(self, request: web.Request) -> web.Response:
        wanted = await request.json()
        assert wanted["response_format"] == "wav"
        return web.json_response({"audio_data": base64.b64encode(recordings.wav()).decode()})
