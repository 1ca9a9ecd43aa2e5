"""
A bare LiveKit participant in the agent's place: speaks, listens, and sends what the agent sends.

No framework, no model, no money: it says exactly what a test wants the page to see.
"""

import asyncio
import json
import math
import struct
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from livekit import api, rtc

from shared.call_protocol import TOPIC_METER, TOPIC_NOTICE, MeterMessage, Notice

RATE_HZ = 24_000
FRAME = RATE_HZ // 50
LOUD = 500  # of 32767, as the agent hears the caller's beeps through Opus
CALLER = "human"


@dataclass(slots=True)
class BareAgent:
    """In a room. `loudest` is the caller's peak since it was last set to 0."""

    room: rtc.Room
    speaking: bool = True
    obeys: bool = True  # whether an update of the configuration changes anything
    loudest: float = 0
    updates: list[dict[str, Any]] = field(default_factory=list)

    async def tell_meter(
        self, state: str, seconds: int, granted: int, *, final_unit: bool = False
    ) -> None:
        message = MeterMessage.model_validate(
            {
                "state": state,
                "seconds": seconds,
                "granted_seconds": granted,
                "final_unit": final_unit,
            }
        )
        await self.send(TOPIC_METER, message.model_dump_json())

    async def tell_notice(self, kind: str, message: str, seconds_left: int | None = None) -> None:
        notice = Notice.model_validate(
            {"kind": kind, "message": message, "seconds_left": seconds_left}
        )
        await self.send(TOPIC_NOTICE, notice.model_dump_json())

    async def send(self, topic: str, text: str) -> None:
        await self.room.local_participant.publish_data(text, reliable=True, topic=topic)

    async def caption(
        self, words: str, *, identity: str, segment: str, pieces: int = 1, final: bool = True
    ) -> None:
        """As livekit-agents does: the agent's turn in pieces, the caller's as a whole."""
        writer = await self.room.local_participant.stream_text(
            topic="lk.transcription",
            sender_identity=identity,
            attributes={"lk.segment_id": segment, "lk.transcription_final": str(final).lower()},
        )
        size = -(-len(words) // pieces)
        for start in range(0, len(words), size):
            await writer.write(words[start : start + size])
        await writer.aclose()

    async def caption_as_packet(self, words: str, *, segment: str, final: bool = True) -> None:
        """The older way, which upstream agents still use."""
        track = next(iter(self.room.local_participant.track_publications))
        await self.room.local_participant.publish_transcription(
            rtc.Transcription(
                participant_identity=self.room.local_participant.identity,
                track_sid=track,
                segments=[
                    rtc.TranscriptionSegment(
                        id=segment, text=words, start_time=0, end_time=0, final=final, language=""
                    )
                ],
            )
        )

    async def call_page(self, method: str, payload: dict[str, Any]) -> Any:
        """RPC to the page; its answer, decoded."""
        answer = await self.room.local_participant.perform_rpc(
            destination_identity=CALLER, method=method, payload=json.dumps(payload)
        )
        return json.loads(answer)

    async def wait_heard(self, *, timeout_s: float = 10) -> None:
        """Until the caller's voice arrives."""
        deadline = time.monotonic() + timeout_s
        while self.loudest < LOUD:
            if time.monotonic() > deadline:
                pytest.fail(f"the agent heard nothing of the caller for {timeout_s} s")
            await asyncio.sleep(0.02)

    async def update_config(self, call: rtc.RpcInvocationData) -> str:
        self.updates.append(json.loads(call.payload))
        return json.dumps({"changed": self.obeys})

    async def listen(self, track: rtc.Track) -> None:
        stream = rtc.AudioStream(track, sample_rate=RATE_HZ, num_channels=1)
        async for event in stream:
            samples = event.frame.data.cast("b").cast("h")
            self.loudest = max(self.loudest, max(samples, default=0))

    async def speak(self, source: rtc.AudioSource) -> None:
        """A tone while `speaking`, silence otherwise."""
        tone = [int(9_000 * math.sin(2 * math.pi * 440 * i / RATE_HZ)) for i in range(FRAME)]
        frames = {True: struct.pack(f"<{FRAME}h", *tone), False: bytes(FRAME * 2)}
        while True:
            await source.capture_frame(rtc.AudioFrame(frames[self.speaking], RATE_HZ, 1, FRAME))


@asynccontextmanager
async def join_as_agent(
    url: str, key: str, secret: str, room_name: str
) -> AsyncIterator[BareAgent]:
    """In the room and audible until the block ends."""
    room = rtc.Room()
    agent = BareAgent(room)
    tasks: set[asyncio.Task[None]] = set()
    room.on(
        "track_subscribed",
        lambda track, _publication, _caller: tasks.add(asyncio.create_task(agent.listen(track))),
    )
    grants = api.VideoGrants(room_join=True, room=room_name, agent=True)
    token = api.AccessToken(key, secret).with_identity("agent").with_kind("agent")
    await room.connect(url, token.with_grants(grants).to_jwt())
    room.local_participant.register_rpc_method("pg.updateConfig", agent.update_config)
    source = rtc.AudioSource(RATE_HZ, 1, queue_size_ms=100)
    track = rtc.LocalAudioTrack.create_audio_track("agent", source)
    await room.local_participant.publish_track(
        track, rtc.TrackPublishOptions(source=rtc.TrackSource.SOURCE_MICROPHONE)
    )
    tasks.add(asyncio.create_task(agent.speak(source)))
    try:
        yield agent
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await room.disconnect()
        await source.aclose()
