"""
A real agent worker with real media and voice, on a control plane of the tests, and callers who keep
a stopwatch of their own.

    python -m tests.integration.agent_rig URL TOKEN      a caller in a process that can be killed
"""

import asyncio
import audioop
import json
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from livekit import api, rtc

from agent.journal import Journal, SlotState
from local.stack import Stack
from local.voice.speech import synthesize
from shared.call_protocol import (
    AGENT_NAME,
    CALLER_IDENTITY,
    TOPIC_METER,
    TOPIC_NOTICE,
    CallConfig,
    MeterMessage,
    Notice,
)
from tests.fakes.control_plane import TOKEN, FakeCall, FakeControlPlane
from tests.stack import clean_environment

DEADLINE_S = 20.0
RATE_HZ = 48_000
FRAME_MS = 20
FRAME_BYTES = RATE_HZ * FRAME_MS // 1000 * 2
LOUD = 500  # of 32767; the voice is silent below
QUIET_S = 0.5  # a pause in the voice longer than this begins a new turn


async def until(condition: Callable[[], object], *, deadline_s: float = DEADLINE_S) -> None:
    end_s = time.monotonic() + deadline_s
    while not condition():
        assert time.monotonic() < end_s, "the condition never came true"
        await asyncio.sleep(0.02)


def config(**changes: object) -> CallConfig:
    """A call of the usual kind."""
    call_id = uuid4()
    values: dict[str, object] = {
        "call_id": call_id,
        "epoch": 0,
        "seconds": 0,
        "granted_seconds": 0,
        "final_unit": False,
        "free_limited": False,
        "room_name": f"ro-{call_id}",
        "caller_identity": CALLER_IDENTITY,
        "model": "local-voice",
        "voice": "ara",
        "language": "en",
        "instructions": "You are Ara.",
        "greeting": 'Say: "Hello, this is Ara speaking. How are you today?"',
        "temperature": None,
        "max_output_tokens": None,
        "instructions_locked": False,
        "silence_limit_s": 120,
        "join_limit_s": 20,
        "rejoin_limit_s": 10,
    }
    return CallConfig.model_validate(values | changes)


@dataclass
class Caller:
    """A person with a browser: hears, is told, speaks, leaves, and knows when."""

    room: rtc.Room = field(default_factory=rtc.Room)
    first_heard_s: float = 0.0
    last_heard_s: float = 0.0
    turns_heard: int = 0
    left_s: float = 0.0
    meters: list[MeterMessage] = field(default_factory=list)
    notices: list[Notice] = field(default_factory=list)
    captions: list[tuple[str, str]] = field(default_factory=list)  # speaker, words
    rpcs: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    saying: bytearray = field(default_factory=bytearray)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    microphone: rtc.LocalAudioTrack | None = None
    queue_ms: int = 100

    async def join(self, url: str, token: str) -> None:
        room = self.room
        room.on("track_subscribed", lambda track, *_: self._keep(self._hear(track)))
        room.on("data_received", self._on_data)
        room.on("disconnected", lambda *_: self._note_leaving())
        room.register_text_stream_handler("lk.transcription", self._on_caption)
        await room.connect(url, token)
        for method in ("pg.toast", "pg.error"):
            room.local_participant.register_rpc_method(method, self._on_rpc(method))
        source = rtc.AudioSource(RATE_HZ, 1, queue_size_ms=self.queue_ms)
        options = rtc.TrackPublishOptions(source=rtc.TrackSource.SOURCE_MICROPHONE)
        self.microphone = rtc.LocalAudioTrack.create_audio_track("mic", source)
        await room.local_participant.publish_track(self.microphone, options)
        self._keep(self._speak(source))

    def say(self, pcm_48k: bytes) -> None:
        self.saying += pcm_48k

    async def leave(self) -> None:
        self._note_leaving()
        for task in list(self._tasks):
            task.cancel()
        await self.room.disconnect()

    @property
    def talked_s(self) -> float:
        """From the first sound heard to the hang-up."""
        assert self.first_heard_s, "nothing was ever heard"
        return self.left_s - self.first_heard_s

    @property
    def notice_kinds(self) -> list[str]:
        return [notice.kind for notice in self.notices]

    def _note_leaving(self) -> None:
        self.left_s = self.left_s or time.monotonic()

    def _keep(self, work: Any) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _hear(self, track: rtc.Track) -> None:
        async for event in rtc.AudioStream(track, sample_rate=RATE_HZ, num_channels=1):
            if audioop.max(bytes(event.frame.data), 2) > LOUD:
                now_s = time.monotonic()
                if now_s - self.last_heard_s > QUIET_S:
                    self.turns_heard += 1
                self.first_heard_s = self.first_heard_s or now_s
                self.last_heard_s = now_s

    async def _speak(self, source: rtc.AudioSource) -> None:
        while True:
            frame, self.saying = self.saying[:FRAME_BYTES], self.saying[FRAME_BYTES:]
            pcm = bytes(frame).ljust(FRAME_BYTES, b"\0")
            await source.capture_frame(rtc.AudioFrame(pcm, RATE_HZ, 1, FRAME_BYTES // 2))

    def _on_data(self, packet: rtc.DataPacket) -> None:
        if packet.topic == TOPIC_METER:
            self.meters.append(MeterMessage.model_validate_json(packet.data))
        elif packet.topic == TOPIC_NOTICE:
            self.notices.append(Notice.model_validate_json(packet.data))

    def _on_caption(self, reader: rtc.TextStreamReader, speaker: str) -> None:
        async def read() -> None:
            text = await reader.read_all()
            if text.strip():
                self.captions.append((speaker, text.strip()))

        self._keep(read())

    def _on_rpc(self, method: str) -> Callable[[rtc.RpcInvocationData], Any]:
        async def handle(invocation: rtc.RpcInvocationData) -> str:
            self.rpcs.append((method, json.loads(invocation.payload)))
            return "{}"

        return handle


@dataclass
class CallerProcess:
    process: asyncio.subprocess.Process
    heard_s: float  # on the clock that all processes of this machine share

    def kill(self) -> None:
        self.process.kill()


@dataclass
class Worker:
    """`python -m agent start` in a process of its own."""

    process: asyncio.subprocess.Process
    journal_dir: Path
    worker_id: str = ""

    @property
    def children(self) -> list[int]:
        """The charger first, then the cells by number; as long as none was forked again."""
        pid = self.process.pid
        text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
        return sorted(int(child) for child in text.split())

    def cell_of(self, call_id: UUID) -> int:
        """The number of the cell that holds a running call."""
        journal = self.open_journal()
        for slot in journal.slots:
            mark = journal.watermark(slot)
            if mark and mark.call_id == call_id and mark.state is SlotState.LIVE:
                return journal.cell_of(slot)
        raise AssertionError("the call is in no cell")

    def kill_cell(self, cell: int) -> None:
        os.kill(self.children[1 + cell], signal.SIGKILL)

    def open_journal(self) -> Journal:
        path = self.journal_dir / f"{self.worker_id}.journal"
        return Journal(path, os.open(path, os.O_RDWR))

    def kill(self) -> None:
        """The root of the group; the kernel kills the others with it."""
        self.process.kill()


@dataclass
class Rig:
    stack: Stack
    plane: FakeControlPlane
    folder: Path

    @property
    def url(self) -> str:
        return self.stack.env["LIVEKIT_URL"]

    @asynccontextmanager
    async def worker(self, *, processes: int = 1, **environment: str) -> AsyncIterator[Worker]:
        """Ready for calls; killed at the end if it still runs."""
        env = (
            self.stack.env
            | clean_environment()
            | {
                "CONTROL_PLANE_URL": self.plane.url,
                "INTERNAL_TOKEN": TOKEN,
                "AGENT_PROCESSES": str(processes),
                "AGENT_JOURNAL_DIR": str(self.folder),
            }
        )
        known = set(self.plane.workers)
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "agent", "start", env=env | environment
        )
        worker = Worker(process, self.folder)

        def is_ready() -> bool:
            new = [name for name in self.plane.workers if name not in known]
            worker.worker_id = new[0] if new else ""
            return bool(new) and self.plane.workers[new[0]] >= processes

        try:
            await until(is_ready, deadline_s=60)
            yield worker
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()

    async def dispatch(self, call: FakeCall) -> None:
        async with self.api() as livekit:
            agent = api.RoomAgentDispatch(agent_name=AGENT_NAME, metadata=str(call.config.call_id))
            await livekit.room.create_room(
                api.CreateRoomRequest(name=call.config.room_name, agents=[agent])
            )

    def api(self) -> api.LiveKitAPI:
        env = self.stack.env
        url = "http" + self.url.removeprefix("ws")
        return api.LiveKitAPI(url, env["LIVEKIT_API_KEY"], env["LIVEKIT_API_SECRET"])

    def token(self, call: FakeCall, identity: str = CALLER_IDENTITY) -> str:
        env = self.stack.env
        grants = api.VideoGrants(room_join=True, room=call.config.room_name)
        token = api.AccessToken(env["LIVEKIT_API_KEY"], env["LIVEKIT_API_SECRET"])
        return token.with_identity(identity).with_grants(grants).to_jwt()

    async def ring(self, call: FakeCall) -> Caller:
        """Dispatch, join, and wait for the first word."""
        await self.dispatch(call)
        caller = Caller()
        await caller.join(self.url, self.token(call))
        await until(lambda: caller.first_heard_s)
        return caller

    @asynccontextmanager
    async def ring_from_process(
        self, call: FakeCall, *arguments: str
    ) -> AsyncIterator["CallerProcess"]:
        """The same with a caller who can vanish from one moment to the next."""
        await self.dispatch(call)
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-W", "ignore", "-m", "tests.integration.agent_rig"),
            *(self.url, self.token(call), *arguments),
            stdout=asyncio.subprocess.PIPE,
        )
        try:
            assert process.stdout
            line = await asyncio.wait_for(process.stdout.readline(), DEADLINE_S)
            yield CallerProcess(process, heard_s=float(line.split()[1]))
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()

    def seconds_now(self, call: FakeCall) -> int:
        """What the journal says of a running call."""
        for path in self.folder.glob("*.journal"):
            journal = Journal(path, os.open(path, os.O_RDWR))
            for slot in journal.slots:
                mark = journal.watermark(slot)
                if mark and mark.call_id == call.config.call_id:
                    return mark.seconds
        raise AssertionError("the call is in no journal")

    async def participants(self, call: FakeCall) -> set[str]:
        async with self.api() as livekit:
            answer = await livekit.room.list_participants(
                api.ListParticipantsRequest(room=call.config.room_name)
            )
        return {participant.identity for participant in answer.participants}


@asynccontextmanager
async def running_rig(folder: Path) -> AsyncIterator[Rig]:
    plane = FakeControlPlane()
    await plane.start()
    try:
        async with Stack.start(
            data_dir=folder / "stack",
            environment=clean_environment(),
            only=("livekit", "voice"),
        ) as stack:
            yield Rig(stack, plane, folder / "journal")
    finally:
        await plane.stop()


def spoken_48k(words: str) -> bytes:
    speech = synthesize(words)
    return audioop.ratecv(speech.pcm, 2, 1, speech.rate_hz, RATE_HZ, None)[0]


async def main(url: str, token: str, *arguments: str) -> None:
    caller = Caller()
    await caller.join(url, token)
    await until(lambda: caller.first_heard_s)
    if "muted" in arguments:
        assert caller.microphone
        caller.microphone.mute()
    print("heard", caller.first_heard_s, flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
