"""A bare client of the voice server: sends events, keeps what comes back."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp

from local.voice.server import VoiceSettings, voice_server
from local.voice.speech import BYTES_PER_MS, synthesize

Event = dict[str, Any]

CHUNK_BYTES = 100 * BYTES_PER_MS  # what livekit-agents sends at a time
ANSWER_S = 8.0


class Wire:
    """One Realtime socket. `seen` has every server event in order."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket
        self.seen: list[Event] = []

    async def send(self, event_type: str, **fields: Any) -> None:
        await self.socket.send_str(json.dumps({"type": event_type, **fields}))

    async def until(self, event_type: str, *, timeout_s: float = ANSWER_S) -> Event:
        """The next event of a type. Fails when the socket ends before."""
        async with asyncio.timeout(timeout_s):
            while True:
                message = await self.socket.receive()
                assert message.type is aiohttp.WSMsgType.TEXT, f"{message.type} for {event_type}"
                event: Event = json.loads(message.data)
                self.seen.append(event)
                if event["type"] == event_type:
                    return event

    async def ended(self) -> aiohttp.WSMessage:
        """The last message of the socket, after any events."""
        async with asyncio.timeout(ANSWER_S):
            while True:
                message = await self.socket.receive()
                if message.type is not aiohttp.WSMsgType.TEXT:
                    return message

    async def hear(self, pcm: bytes) -> None:
        """Append audio, as fast as it goes: the server counts its length, not the clock."""
        for start in range(0, len(pcm), CHUNK_BYTES):
            audio = base64.b64encode(pcm[start : start + CHUNK_BYTES]).decode()
            await self.send("input_audio_buffer.append", audio=audio)

    async def say(self, phrase: str, *, pause_ms: int = 700) -> None:
        """Speak a phrase and be silent after it."""
        await self.hear(silence(200) + spoken(phrase) + silence(pause_ms))

    async def order(self, words: str, **response: Any) -> Event:
        """Have exact words said; the `response.done`."""
        await self.send("response.create", response={"instructions": f'Say: "{words}"', **response})
        return await self.until("response.done")

    def types(self, *, without: str = "delta") -> list[str]:
        """The kinds of events seen, in order, deltas left out."""
        return [event["type"] for event in self.seen if without not in event["type"]]

    def of_type(self, event_type: str) -> list[Event]:
        return [event for event in self.seen if event["type"] == event_type]

    def transcript(self) -> str:
        deltas = self.of_type("response.output_audio_transcript.delta")
        return "".join(event["delta"] for event in deltas).strip()

    def audio(self) -> bytes:
        deltas = self.of_type("response.output_audio.delta")
        return b"".join(base64.b64decode(event["delta"]) for event in deltas)


def spoken(phrase: str, voice: str = "caller") -> bytes:
    return synthesize(phrase, voice).pcm


def silence(duration_ms: int) -> bytes:
    return bytes(duration_ms * BYTES_PER_MS)


class VoiceProcess:
    """A running server and how to reach it."""

    def __init__(self, port: int, http: aiohttp.ClientSession) -> None:
        self.base_url = f"http://127.0.0.1:{port}/v1"
        self.http = http
        self._root = f"http://127.0.0.1:{port}"

    async def open(self, query: str = "model=local-voice") -> Wire:
        """A Realtime socket, with its session.created read. It closes with the server."""
        wire = Wire(await self.http.ws_connect(f"{self.base_url}/realtime?{query}"))
        await wire.until("session.created")
        return wire

    async def faults(self, **faults: Any) -> None:
        async with self.http.post(f"{self._root}/faults", json=faults) as response:
            assert response.status == 200, await response.text()

    async def clear_faults(self) -> None:
        async with self.http.delete(f"{self._root}/faults") as response:
            assert response.status == 200

    async def get(self, path: str) -> Any:
        async with self.http.get(f"{self._root}{path}") as response:
            return await response.json()


@asynccontextmanager
async def running_voice(settings: VoiceSettings | None = None) -> AsyncIterator[VoiceProcess]:
    """A server of its own for one test."""
    async with voice_server(settings=settings) as port, aiohttp.ClientSession() as http:
        yield VoiceProcess(port, http)
