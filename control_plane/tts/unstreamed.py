"""Providers that give an answer when it is whole."""

from collections.abc import AsyncGenerator

from control_plane.tts.port import ProviderRefusal, Utterance


class Unstreamed:
    """The half of `Provider` that these cannot do. The catalogue says so: `streams` is False."""

    async def stream(self, utterance: Utterance) -> AsyncGenerator[bytes]:  # noqa: ARG002 - the port's
        raise ProviderRefusal("This voice cannot be streamed")
        yield b""  # what makes it a generator
