"""`POST /v1/audio/speech` as at OpenAI."""

from aiohttp import web

from tests.fakes.providers import recordings
from tests.fakes.providers.server import ProviderServer


class OpenAiServer(ProviderServer):
    def routes(self) -> list[web.RouteDef]:
        return [web.post("/v1/audio/speech", self._speak)]

    def refusal(self, status: int, words: str, *, kind: str) -> web.Response:
        error = {"message": words, "type": "some_error", "param": None, "code": kind.lower()}
        return web.json_response({"error": error}, status=status)

    def content_refusal(self) -> web.Response:
        words = "Your request was rejected as a result of our safety system."
        return self.refusal(400, words, kind="content_policy_violation")

    def too_long_refusal(self) -> web.Response:
        words = "[{'type': 'string_too_long', 'msg': 'String should have at most 4096 characters'}]"
        return self.refusal(400, words, kind="string_above_max_length")

    def without_audio(self) -> web.Response:
        return web.Response(body=b"", content_type="audio/wav")

    async def _speak(self, request: web.Request) -> web.StreamResponse:
        if (await request.json())["response_format"] == "pcm":
            return await stream_pcm(self, request, "audio/pcm")
        await self.pause.wait()
        return web.Response(body=recordings.wav(), content_type="audio/wav")


async def stream_pcm(
    server: ProviderServer, request: web.Request, media_type: str
) -> web.StreamResponse:
    """Half of it, the rest when `server.pause` allows."""
    response = web.StreamResponse(headers={"Content-Type": media_type})
    response.enable_chunked_encoding()
    await response.prepare(request)
    pcm = recordings.pcm()
    half = len(pcm) // 4 * 2
    await response.write(pcm[:half])
    await server.pause.wait()
    if server.trouble is not None:  # set in the middle: it breaks off
        assert request.transport
        request.transport.abort()
        return response
    await response.write(pcm[half:])
    await response.write_eof()
    return response
