"""The voice server put together: routes over services, started and stopped as one."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict

from aiohttp import web
from pydantic import SecretStr

from local.voice.chat_model import ChatModelMind
from local.voice.ears import Ears
from local.voice.faults import Faults, FaultSet
from local.voice.http_errors import answer_errors
from local.voice.mind import Mind
from local.voice.realtime_socket import RealtimeSockets
from local.voice.rest_chat import ChatRoute
from local.voice.rest_speech import SpeechRoute
from local.voice.rest_transcriptions import TranscriptionsRoute
from local.voice.scripted import ScriptedMind
from local.voice.services import Services
from local.voice.stats import Stats
from local.voice.voicebox import Voicebox
from shared.clock import SystemClock
from shared.settings import EnvironmentSettings

BODY_BYTES_MAX = 12 * 2**20  # two minutes of 48 kHz mono WAV, the longest a transcription takes
SHUTDOWN_S = 1.0  # open calls are cut after this; a stopping stack does not wait for talkers
MODELS = ("local-voice", "local-tts", "local-stt", "local-chat")


class VoiceSettings(EnvironmentSettings):
    """Without the first two the scripted persona answers."""

    local_voice_chat_base_url: str | None = None
    local_voice_chat_model: str | None = None
    local_voice_chat_api_key: SecretStr = SecretStr("none")  # local model servers ask for no key


@asynccontextmanager
async def voice_server(
    *, host: str = "127.0.0.1", port: int = 0, settings: VoiceSettings | None = None
) -> AsyncIterator[int]:
    """Serve until the block ends. Gives the port, which is a free one for 0."""
    async with voice_services(settings or VoiceSettings()) as services:
        runner = web.AppRunner(create_app(services), access_log=None, shutdown_timeout=SHUTDOWN_S)
        await runner.setup()
        try:
            site = web.TCPSite(runner, host, port)
            await site.start()
            yield runner.addresses[0][1]
        finally:
            await runner.cleanup()


@asynccontextmanager
async def voice_services(settings: VoiceSettings) -> AsyncIterator[Services]:
    """The services with their threads and connections. Loading the recogniser blocks 0.1 s."""
    stats, ears, mind = Stats(), Ears(), mind_of(settings)
    voicebox = Voicebox(stats)
    try:
        yield Services(
            mind=mind,
            voicebox=voicebox,
            ears=ears,
            faults=Faults(),
            stats=stats,
            clock=SystemClock(),
        )
    finally:
        voicebox.close()
        ears.close()
        if isinstance(mind, ChatModelMind):
            await mind.aclose()


def mind_of(settings: VoiceSettings) -> Mind:
    """A chat model when one is configured, else the scripted persona."""
    base_url, model = settings.local_voice_chat_base_url, settings.local_voice_chat_model
    if not base_url or not model:
        return ScriptedMind()
    api_key = settings.local_voice_chat_api_key.get_secret_value()
    return ChatModelMind(base_url=base_url, model=model, api_key=api_key)


def create_app(services: Services) -> web.Application:
    sockets = RealtimeSockets(services)
    app = web.Application(client_max_size=BODY_BYTES_MAX, middlewares=[answer_errors])
    app.router.add_get("/healthz", _health)
    app.router.add_get("/v1/models", _models)
    app.router.add_get("/v1/realtime", sockets.connect)
    app.router.add_post("/v1/audio/speech", SpeechRoute(services).post)
    app.router.add_post("/v1/audio/transcriptions", TranscriptionsRoute(services).post)
    app.router.add_post("/v1/chat/completions", ChatRoute(services).post)
    _add_test_routes(app, services, sockets)

    async def close_sockets(_app: web.Application) -> None:
        await sockets.close()

    app.on_shutdown.append(close_sockets)
    return app


def _add_test_routes(app: web.Application, services: Services, sockets: RealtimeSockets) -> None:
    """Faults and counters. Fine here: this server is never part of a deployment."""

    async def show_faults(_request: web.Request) -> web.Response:
        return web.json_response(services.faults.shown())

    async def set_faults(request: web.Request) -> web.Response:
        services.faults.replace(FaultSet.model_validate_json(await request.read()))
        sockets.meet_faults()
        return web.json_response(services.faults.shown())

    async def clear_faults(_request: web.Request) -> web.Response:
        services.faults.replace(FaultSet())
        sockets.meet_faults()
        return web.json_response({})

    async def show_stats(_request: web.Request) -> web.Response:
        return web.json_response(asdict(services.stats))

    app.router.add_get("/faults", show_faults)
    app.router.add_post("/faults", set_faults)
    app.router.add_delete("/faults", clear_faults)
    app.router.add_get("/stats", show_stats)


async def _health(_request: web.Request) -> web.Response:
    return web.json_response({"status": "ok"})


async def _models(_request: web.Request) -> web.Response:
    models = [{"id": m, "object": "model", "created": 0, "owned_by": "local"} for m in MODELS]
    return web.json_response({"object": "list", "data": models})
