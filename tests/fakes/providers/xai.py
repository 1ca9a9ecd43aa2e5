"""`POST /v1/tts` as at xAI."""

from aiohttp import web

from tests.fakes.providers import recordings
from tests.fakes.providers.openai_speech import stream_pcm
from tests.fakes.providers.server import ProviderServer


class XaiServer(ProviderServer):
    def routes(self) -> list[web.RouteDef]:
        return [web.post("/v1/tts", self._speak)]

    def refusal(self, status: int, words: str, *, kind: str) -> web.Response:
        return web.json_response({"code": kind, "error": words}, status=status)

    def content_refusal(self) -> web.Response:
        return self.refusal(403, "Content violates usage guidelines: safety", kind="forbidden")

    def too_long_refusal(self) -> web.Response:
        return self.refusal(400, "text is too long (max 15000 characters)", kind="invalid")

    def without_audio(self) -> web.Response:
        return web.Response(body=b"", content_type="audio/wav")

    async def _speak(self, request: web.Request) -> web.StreamResponse:
        codec = (await request.json())["output_format"]["codec"]
        if codec == "pcm":
            return await stream_pcm(self, request, "audio/pcm")
        assert codec == "wav"
        return web.Response(body=recordings.wav(), content_type="audio/wav")
