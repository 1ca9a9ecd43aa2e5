"""
The smallest other side of a call: a control plane that gives tokens, and a voice that greets.

It stands in for the whole of our system where the simulated caller itself is tested; LiveKit and
WebRTC are real. What it did and when is kept, to compare with what the caller noticed.
"""

import asyncio
import json
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import uvicorn
from fastapi import FastAPI, Request, Response
from livekit import api, rtc

from local.voice.speech import SPEECH_RATE_HZ, synthesize
from shared.call_protocol import TOPIC_METER, MeterMessage

GREETING = "Hello, this is an answering machine."
RINGS_S = 1.0  # before it answers; long enough to tell ringing and talking apart
LOUD = 3000  # speech; the noise of an idle line stays far below


@dataclass
class AnsweringMachine:
    """Greets each caller and listens."""

    livekit_url: str
    key: str
    secret: str
    refuse_with: int | None = None
    silent: bool = False
    hang_up_after_s: float | None = None
    first_sound_at: float | None = None
    caller_left_at: float | None = None
    caller_spoke: bool = False
    toasts: list[str] = field(default_factory=list)
    tasks: set[asyncio.Task[None]] = field(default_factory=set)

    def app(self) -> FastAPI:
        web = FastAPI()

        @web.post("/dev/session")
        async def sign_in() -> dict[str, str]:
            return {"userId": str(uuid.uuid4()), "token": "any"}

        @web.get("/api/credits")
        async def credit() -> dict[str, int]:
            return {"amount": 10_000, "reserved": 0, "available": 10_000, "debt": 0}

        @web.post("/api/call-token", response_model=None)
        async def token(request: Request) -> Response | dict[str, object]:
            assert (await request.json())["sessionConfig"]["voice"] == "Ara"
            if self.refuse_with:
                headers = {"Retry-After": "7"}
                body = json.dumps({"error": "All agents are busy"})
                return Response(body, status_code=self.refuse_with, headers=headers)
            return await self._admit()

        @web.get("/api/calls/{call_id}")
        async def call(call_id: str) -> dict[str, object]:
            ended = self.caller_left_at
            seconds = int(ended - self.first_sound_at) if ended and self.first_sound_at else 0
            return {
                "id": call_id,
                "status": "closed",
                "endReason": "caller_hangup",
                "endedAt": "2026-01-01T00:00:00Z" if ended else None,
                "billedSeconds": seconds,
                "creditsUsed": 117,
            }

        return web

    async def _admit(self) -> dict[str, object]:
        call_id = str(uuid.uuid4())
        async with api.LiveKitAPI(self._http_url(), self.key, self.secret) as livekit:
            await livekit.room.create_room(api.CreateRoomRequest(name=call_id))
        if not self.silent:
            task = asyncio.create_task(self._answer(call_id))
            self.tasks.add(task)
        return {
            "accessToken": self._token(call_id, "human"),
            "url": self.livekit_url,
            "callId": call_id,
            "expiresAt": "2030-01-01T00:00:00Z",
            "creditsPerMinute": 1000,
            "maxSeconds": 300,
        }

    def _http_url(self) -> str:
        return self.livekit_url.replace("ws", "http", 1)

    def _token(self, room: str, identity: str) -> str:
        grants = api.VideoGrants(room_join=True, room=room)
        return (
            api.AccessToken(self.key, self.secret)
            .with_identity(identity)
            .with_grants(grants)
            .to_jwt()
        )

    async def _answer(self, call_id: str) -> None:
        room = rtc.Room()
        subscribed, left = asyncio.Event(), asyncio.Event()

        @room.on("local_track_subscribed")
        def _subscribed(*_: object) -> None:
            subscribed.set()

        @room.on("track_subscribed")
        def _heard(track: rtc.Track, *_: object) -> None:
            self.tasks.add(asyncio.create_task(self._listen(track)))

        @room.on("participant_disconnected")
        def _left(_who: object) -> None:
            self.caller_left_at = time.monotonic()
            left.set()

        await room.connect(self.livekit_url, self._token(call_id, "machine"))
        try:
            await self._greet(room, subscribed)
            if self.hang_up_after_s:
                await asyncio.sleep(self.hang_up_after_s)
                self.caller_left_at = time.monotonic()
                async with api.LiveKitAPI(self._http_url(), self.key, self.secret) as livekit:
                    await livekit.room.delete_room(api.DeleteRoomRequest(room=call_id))
            else:
                await left.wait()
        finally:  # a room left open makes the rtc engine abort the interpreter at its end
            await room.disconnect()

    async def _greet(self, room: rtc.Room, subscribed: asyncio.Event) -> None:
        source = rtc.AudioSource(SPEECH_RATE_HZ, 1, queue_size_ms=200)
        track = rtc.LocalAudioTrack.create_audio_track("voice", source)
        await room.local_participant.publish_track(track)
        await subscribed.wait()
        await asyncio.sleep(RINGS_S)
        self.first_sound_at = time.monotonic()
        meter = MeterMessage(state="running", seconds=0, granted_seconds=120, final_unit=False)
        await room.local_participant.publish_data(meter.model_dump_json(), topic=TOPIC_METER)
        await self._speak(room, source, GREETING)
        self.toasts.append(
            await room.local_participant.perform_rpc(
                destination_identity="human", method="pg.toast", payload=json.dumps({"title": "Hi"})
            )
        )

    async def _listen(self, track: rtc.Track) -> None:
        async for event in rtc.AudioStream(track, sample_rate=SPEECH_RATE_HZ, num_channels=1):
            if max(memoryview(event.frame.data).cast("B").cast("h")) > LOUD:
                self.caller_spoke = True

    async def _speak(self, room: rtc.Room, source: rtc.AudioSource, words: str) -> None:
        writer = await room.local_participant.stream_text(topic="lk.transcription")
        await writer.write(words)
        await writer.aclose()
        pcm = synthesize(words, "Ara").pcm
        frame = rtc.AudioFrame(pcm, SPEECH_RATE_HZ, 1, len(pcm) // 2)
        await source.capture_frame(frame)
        await source.wait_for_playout()

    @asynccontextmanager
    async def serving(self, port: int) -> AsyncIterator[str]:
        """Its address while the block runs."""
        config = uvicorn.Config(self.app(), host="127.0.0.1", port=port, log_level="error")
        server = uvicorn.Server(config)
        serving = asyncio.create_task(server.serve())
        while not server.started:
            await asyncio.sleep(0.02)
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            server.should_exit = True
            await serving
            for task in self.tasks:
                task.cancel()
            await asyncio.gather(*self.tasks, return_exceptions=True)
