"""A local voice that answers everything with its instructions: a test hears what they are."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

from aiohttp import web

from local.stack import Stack
from local.voice.mind import Prompt, Sentence, Utterance
from local.voice.persona import ordered_words
from local.voice.server import VoiceSettings, create_app, voice_services


class ObedientMind:
    """A greeting or a warning as it was ordered; else the instructions of the whole session."""

    async def reply(self, prompt: Prompt) -> AsyncGenerator[Utterance, None]:
        yield Sentence(ordered_words(prompt.order) or prompt.instructions)


@asynccontextmanager
async def obedient_voice(stack: Stack) -> AsyncIterator[None]:
    """In the place of the stack's own voice until the block ends."""
    await stack.stop_process("voice")
    async with voice_services(VoiceSettings()) as services:
        app = create_app(replace(services, mind=ObedientMind()))
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", stack.ports.voice).start()
            yield
        finally:
            await runner.cleanup()
    await stack.start_process("voice")
