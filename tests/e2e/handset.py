"""
A participant of its own making: joins with any token, speaks when told to, keeps what it gets.

For callers who misbehave, who come back, and for those who were never invited.
"""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from livekit import api, rtc

from local.ear import Ear
from local.hearing import Hearing
from local.microphone import Microphone, spoken
from local.stack import Stack
from shared.call_protocol import TRACK_DISCLOSURE
from shared.clock import SystemClock

CONNECT_MAX_S = 10
POLL_S = 0.02
SAID_MAX = 3
ANSWER_MAX_S = 6
PAUSE_S = 0.8  # longer than the agent's own pauses between sentences
NO_RETRY = rtc.RoomOptions(connect_timeout=CONNECT_MAX_S)


@dataclass(slots=True)
class Handset:
    """One connection to one room. `agent_said` holds the agent's words as they come."""

    room: rtc.Room
    hearing: Hearing
    agent_said: list[str] = field(default_factory=list)
    left_at_s: float | None = None  # when somebody else ended the connection
    _microphone: Microphone | None = None
    _readers: set[asyncio.Task[None]] = field(default_factory=set)

    @property
    def agent(self) -> rtc.RemoteParticipant | None:
        kind = rtc.ParticipantKind.PARTICIPANT_KIND_AGENT
        return next((p for p in self.room.remote_participants.values() if p.kind == kind), None)

    @property
    def first_heard_at_s(self) -> float | None:
        return self.hearing.first_s

    async def open_microphone(self) -> None:
        self._microphone = Microphone()
        await self._microphone.publish(self.room)

    async def say(self, words: str) -> None:
        assert self._microphone, "open the microphone first"
        await self._microphone.say(spoken(words))

    async def hear(self, answer: str, *, to: str) -> None:
        """
        Say `to` until the agent answers with words that contain `answer`.

        The ear of the local voice understands 19 of 20 sentences.
        """
        for _ in range(SAID_MAX):
            await self.until(self._is_quiet, "a pause to speak in")
            said = len(self.agent_said)
            await self.say(to)
            if await self._is_answered(answer, since=said):
                return
        raise AssertionError(f"{answer!r} was not the answer to {to!r}: {self.agent_said}")

    async def _is_answered(self, answer: str, *, since: int) -> bool:
        deadline = time.monotonic() + ANSWER_MAX_S
        while time.monotonic() < deadline:
            if any(answer in line for line in self.agent_said[since:]):
                return True
            await asyncio.sleep(POLL_S)
        return False

    def _is_quiet(self) -> bool:
        return self.hearing.first_s is not None and self.hearing.quiet_s(time.monotonic()) > PAUSE_S

    async def ask_agent(self, method: str, payload: str) -> Any:
        """The agent's answer to an RPC. Raises rtc.RpcError."""
        await self.until(lambda: self.agent is not None, "the agent to come")
        assert self.agent
        answer = await self.room.local_participant.perform_rpc(
            destination_identity=self.agent.identity,
            method=method,
            payload=payload,
            response_timeout=5,
        )
        return json.loads(answer)

    async def heard_agent(self) -> None:
        await self.until(lambda: self.hearing.first_s is not None, "the agent's voice")

    async def until(
        self, condition: Callable[[], bool], what: str, *, timeout_s: float = 15
    ) -> None:
        deadline = time.monotonic() + timeout_s
        while not condition():
            assert time.monotonic() < deadline, f"waited in vain for {what}: {self.agent_said}"
            await asyncio.sleep(POLL_S)

    def take_text(self, reader: rtc.TextStreamReader, speaker: str) -> None:
        if speaker != self.room.local_participant.identity:
            task = asyncio.create_task(self._read(reader))
            self._readers.add(task)
            task.add_done_callback(self._readers.discard)

    async def _read(self, reader: rtc.TextStreamReader) -> None:
        self.agent_said.append("")
        line = len(self.agent_said) - 1
        try:
            async for part in reader:
                self.agent_said[line] += part
        except rtc.StreamError:
            pass  # cut off by the end of the call

    async def close(self) -> None:
        await self.room.disconnect()
        if self._microphone:
            await self._microphone.close()
        await asyncio.gather(*self._readers, return_exceptions=True)


@asynccontextmanager
async def joined(url: str, token: str) -> AsyncIterator[Handset]:
    """In the room until the block ends. Raises rtc.ConnectError when the token opens nothing."""
    clock = SystemClock()
    handset = Handset(rtc.Room(), Hearing())
    ear = Ear(handset.hearing, clock=clock)

    def on_track(track: rtc.Track, publication: rtc.TrackPublication, _who: object) -> None:
        # What is heard before the voice is paid for by nobody, and no answer to anything.
        if track.kind == rtc.TrackKind.KIND_AUDIO and publication.name != TRACK_DISCLOSURE:
            ear.listen(track)

    def on_disconnected(_reason: object) -> None:
        handset.left_at_s = clock.monotonic()

    handset.room.on("track_subscribed", on_track)
    handset.room.on("disconnected", on_disconnected)
    handset.room.register_text_stream_handler("lk.transcription", handset.take_text)
    await handset.room.connect(url, token, NO_RETRY)
    try:
        yield handset
    finally:
        await handset.close()
        await ear.close()


def minted_token(stack: Stack, room: str, identity: str, *, secret: str | None = None) -> str:
    """A token that the control plane did not give out; with another `secret`, a forged one."""
    key = stack.env["LIVEKIT_API_KEY"]
    token = api.AccessToken(key, secret or stack.env["LIVEKIT_API_SECRET"])
    grants = api.VideoGrants(room_join=True, room=room, can_publish_data=True)
    return token.with_identity(identity).with_grants(grants).to_jwt()


@asynccontextmanager
async def media_api(stack: Stack) -> AsyncIterator[api.LiveKitAPI]:
    """The media server's own API, to see what is really there."""
    url = stack.env["LIVEKIT_URL"].replace("ws://", "http://")
    client = api.LiveKitAPI(url, stack.env["LIVEKIT_API_KEY"], stack.env["LIVEKIT_API_SECRET"])
    try:
        yield client
    finally:
        await client.aclose()
