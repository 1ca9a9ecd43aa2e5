"""A call without a room: livekit's AgentSession between a microphone and a loudspeaker of ours."""

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from livekit import rtc

# The plugin's own session is what the voice server is made for, so these tests drive it.
from livekit.agents import Agent, AgentSession  # noqa: TID251
from livekit.agents.voice import io  # noqa: TID251
from livekit.plugins.openai.realtime import RealtimeModel
from openai.types.realtime.realtime_audio_input_turn_detection import ServerVad

from tests.integration.voice_wire import silence, spoken

RATE_HZ = 24_000
FRAME_MS = 50
FRAME_BYTES = RATE_HZ * FRAME_MS // 1000 * 2
TIMES_REAL_TIME = 6.0  # both ends of the call live this much faster than a person
DEADLINE_S = 12.0


class Microphone(io.AudioInput):
    """Frames at a steady pace: what was said, else silence."""

    def __init__(self) -> None:
        super().__init__(label="microphone")
        self._frames: deque[bytes] = deque()
        self._next_s = time.monotonic()

    def say(self, phrase: str) -> None:
        pcm = spoken(phrase) + silence(100)
        starts = range(0, len(pcm) // FRAME_BYTES * FRAME_BYTES, FRAME_BYTES)
        self._frames.extend(pcm[start : start + FRAME_BYTES] for start in starts)

    async def __anext__(self) -> rtc.AudioFrame:
        self._next_s = max(self._next_s + FRAME_MS / 1000 / TIMES_REAL_TIME, time.monotonic() - 1)
        await asyncio.sleep(max(0.0, self._next_s - time.monotonic()))
        pcm = self._frames.popleft() if self._frames else bytes(FRAME_BYTES)
        return rtc.AudioFrame(pcm, RATE_HZ, 1, len(pcm) // 2)


class Loudspeaker(io.AudioOutput):
    """Plays what it is given in its own fast time; `played_s` counts what was really heard."""

    def __init__(self) -> None:
        super().__init__(
            label="loudspeaker",
            capabilities=io.AudioOutputCapabilities(pause=False),
            sample_rate=RATE_HZ,
        )
        self.segments_s: list[float] = []
        self._given_s = 0.0
        self._started_s: float | None = None
        self._ending: asyncio.Task[None] | None = None

    @property
    def playing(self) -> bool:
        return self._started_s is not None

    async def capture_frame(self, frame: rtc.AudioFrame) -> None:
        await super().capture_frame(frame)
        if self._started_s is None:
            self._started_s = time.monotonic()
            self.on_playback_started(created_at=time.time())  # noqa: TID251 - livekit's clock
        self._given_s += frame.duration

    def flush(self) -> None:
        super().flush()
        if self._started_s is not None and self._ending is None:
            self._ending = asyncio.create_task(self._play_out())

    def clear_buffer(self) -> None:
        if self._started_s is not None:
            self._finish(interrupted=True)

    async def _play_out(self) -> None:
        assert self._started_s is not None
        ends_s = self._started_s + self._given_s / TIMES_REAL_TIME
        await asyncio.sleep(max(0.0, ends_s - time.monotonic()))
        self._ending = None
        self._finish(interrupted=False)

    def _finish(self, *, interrupted: bool) -> None:
        assert self._started_s is not None
        heard_s = min(self._given_s, (time.monotonic() - self._started_s) * TIMES_REAL_TIME)
        if self._ending:
            self._ending.cancel()
        self._started_s, self._ending, self._given_s = None, None, 0.0
        self.segments_s.append(heard_s)
        self.on_playback_finished(playback_position=heard_s, interrupted=interrupted)


class Call:
    """A running session and what happened in it."""

    def __init__(self, session: AgentSession[None]) -> None:
        self.session = session
        self.microphone = Microphone()
        self.loudspeaker = Loudspeaker()
        self.heard: list[str] = []
        self.errors: list[Any] = []
        session.input.audio = self.microphone
        session.output.audio = self.loudspeaker
        session.on("user_input_transcribed", self._on_transcript)
        session.on("error", lambda event: self.errors.append(event.error))

    def said(self, role: str) -> list[str]:
        """The texts of a side in the session's history."""
        messages = self.session.history.messages()
        return [message.text_content or "" for message in messages if message.role == role]

    async def until(self, condition: Callable[[], object]) -> None:
        """Wait for a condition, up to DEADLINE_S."""
        async with asyncio.timeout(DEADLINE_S):
            while not condition():
                await asyncio.sleep(0.01)

    async def ask(self, phrase: str, *, answers: int) -> str:
        """Say a phrase; the assistant's words when it has answered so many times."""
        self.microphone.say(phrase)
        await self.until(lambda: len(self.said("assistant")) >= answers)
        return self.said("assistant")[-1]

    def _on_transcript(self, event: Any) -> None:
        if event.is_final:
            self.heard.append(event.transcript)


@asynccontextmanager
async def calling(base_url: str, *, agent: Agent | None = None) -> AsyncIterator[Call]:
    """A call with server-side turn taking, as the production agent has it."""
    model = RealtimeModel(
        base_url=base_url,
        api_key="none",
        model="local-voice",
        voice="Ara",
        turn_detection=ServerVad(type="server_vad", silence_duration_ms=300),
    )
    session: AgentSession[None] = AgentSession(
        llm=model, turn_handling={"turn_detection": "realtime_llm"}, aec_warmup_duration=None
    )
    call = Call(session)
    try:
        await session.start(agent or Agent(instructions="Be kind."), record=False)
        yield call
    finally:
        await session.aclose()
        await model.aclose()
