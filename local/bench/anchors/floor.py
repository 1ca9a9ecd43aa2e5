"""
The floor: one process of bare `livekit.rtc` participants. No framework, no model, no meter.

    python -m local.bench.anchors.floor     joins every room whose name starts with "floor-"

Each listens to its caller and speaks a tone 40 % of the time, as a model in conversation does.
"""

import asyncio
import contextlib
import os

import numpy as np
from livekit import api, rtc

RATE = 24_000
FRAME = RATE // 20
SPEECH_S, PAUSE_S = 2.5, 3.75
POLL_S = 0.05


async def serve_room(url: str, key: str, secret: str, name: str) -> None:
    """Be the agent of one room until it closes."""
    room = rtc.Room()
    listeners: list[asyncio.Task[None]] = []
    room.on(
        "track_subscribed", lambda track, *_: listeners.append(asyncio.create_task(_hear(track)))
    )
    grants = api.VideoGrants(room_join=True, room=name, agent=True)
    token = api.AccessToken(key, secret).with_identity("agent").with_kind("agent")
    await room.connect(url, token.with_grants(grants).to_jwt())
    source = rtc.AudioSource(RATE, 1, queue_size_ms=200)
    track = rtc.LocalAudioTrack.create_audio_track("voice", source)
    await room.local_participant.publish_track(track)
    tone = (8_000 * np.sin(2 * np.pi * 440 * np.arange(FRAME) / RATE)).astype("<i2").tobytes()
    with contextlib.suppress(Exception):  # the room is gone
        while room.isconnected():
            for _ in range(int(SPEECH_S * RATE / FRAME)):
                await source.capture_frame(rtc.AudioFrame(tone, RATE, 1, FRAME))
            await asyncio.sleep(PAUSE_S)


async def _hear(track: rtc.Track) -> None:
    async for _ in rtc.AudioStream(track, sample_rate=RATE, num_channels=1, frame_size_ms=50):
        pass


async def main() -> None:
    """Look for new rooms, bounded by the benchmark that ends this process."""
    url = os.environ["LIVEKIT_URL"]
    key, secret = os.environ["LIVEKIT_API_KEY"], os.environ["LIVEKIT_API_SECRET"]
    print("registered worker", flush=True)
    serving: dict[str, asyncio.Task[None]] = {}
    async with api.LiveKitAPI(url.replace("ws", "http", 1), key, secret) as livekit:
        while True:
            rooms = (await livekit.room.list_rooms(api.ListRoomsRequest())).rooms
            for name in {room.name for room in rooms} - serving.keys():
                if name.startswith("floor-"):
                    serving[name] = asyncio.create_task(serve_room(url, key, secret, name))
            await asyncio.sleep(POLL_S)


if __name__ == "__main__":
    asyncio.run(main())
