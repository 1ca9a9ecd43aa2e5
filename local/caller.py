"""
The simulated caller: what a person with a browser does, by the same public doors.

It signs in, asks for a call token, joins over WebRTC, talks and listens. It keeps its own stopwatch
of what it heard, so that a bill can be checked against something the system did not write.
"""

import asyncio
import contextlib
import json
import secrets
from typing import Any, Protocol

from livekit import rtc
from pydantic import ValidationError

from local.api_client import ApiClient, ApiRefused
from local.call_plan import CallPlan
from local.call_result import CallResult, Caption, RpcReceived
from local.conversation import Conversation
from local.ear import Ear
from local.hearing import Hearing
from local.microphone import Microphone
from shared.call_protocol import (
    TOPIC_METER,
    TOPIC_NOTICE,
    TRACK_DISCLOSURE,
    MeterMessage,
    Notice,
)
from shared.clock import Clock, SystemClock

TRANSCRIPTION_TOPIC = "lk.transcription"
CONNECT_TIMEOUT_S = 15
SETTLED_WITHIN_S = 15  # after the hang-up; beyond it only the reaper will close the call
SETTLED_POLL_S = 0.2
RPC_ANSWERS = {"pg.toast": {"shown": True}, "pg.error": {"handled": True}}


class Listener(Protocol):
    """Told of a call while it goes on."""

    def caption(self, caption: Caption) -> None: ...

    def meter(self, message: MeterMessage) -> None: ...

    def notice(self, notice: Notice) -> None: ...

    def stage(self, words: str) -> None: ...


class SilentListener:
    """For those who only want the result."""

    def caption(self, caption: Caption) -> None: ...

    def meter(self, message: MeterMessage) -> None: ...

    def notice(self, notice: Notice) -> None: ...

    def stage(self, words: str) -> None: ...


def new_email() -> str:
    """A person nobody has seen before, who therefore gets the sign-up credits."""
    return f"caller-{secrets.token_hex(6)}@example.com"


class SimulatedCaller:
    """One person. `place` may be called again after a call has ended."""

    def __init__(
        self,
        control_plane_url: str,
        *,
        email: str | None = None,
        listener: Listener | None = None,
        clock: Clock | None = None,
    ) -> None:
        self.email = email or new_email()
        self.api = ApiClient(control_plane_url)
        self.result = CallResult()  # of the present or the last call
        self._call: _Call | None = None
        self._listener = listener or SilentListener()
        self._clock = clock or SystemClock()

    @property
    def room(self) -> rtc.Room:
        """The room of the present or the last call, for tests that misbehave in it."""
        assert self._call is not None
        return self._call.room

    def hang_up(self) -> None:
        """End the present call before its plan does."""
        if self._call is not None:
            self._call.hang_up()

    async def place(self, plan: CallPlan) -> CallResult:
        """
        Call, talk, hang up, wait for the settlement. A refusal is a result, not an error.

        Raises ApiRefused only when the sign-in fails. A cancelled call is hung up.
        """
        if not self.api.user_id:
            await self.api.sign_in(self.email)
        result = self.result = CallResult()
        self._call = _Call(result, listener=self._listener, clock=self._clock)
        try:
            await self._call.run(self.api, plan)
        except ApiRefused as refused:
            result.ended_by = "refused"
            result.refused_status, result.refused_words = refused.status, refused.message
            return result
        except rtc.ConnectError as error:
            result.ended_by = "not_joined"
            result.refused_words = str(error)
        await self._await_settlement(result)
        return result

    async def close(self) -> None:
        await self.api.__aexit__(None, None, None)

    async def _await_settlement(self, result: CallResult) -> None:
        """Ask until the call is closed; an unclosed call leaves `settled` False."""
        deadline = self._clock.monotonic() + SETTLED_WITHIN_S
        while result.call_id and self._clock.monotonic() < deadline:
            with contextlib.suppress(ApiRefused):
                record = await self.api.call(result.call_id)
                result.status, result.end_reason = record.status, record.end_reason
                result.billed_s, result.credits_used = record.billed_s, record.credits_used
                if record.ended:
                    result.settled = True
                    return
            await asyncio.sleep(SETTLED_POLL_S)


class _Call:
    """One room, from the click to the hang-up."""

    def __init__(self, result: CallResult, *, listener: Listener, clock: Clock) -> None:
        self._result = result
        self._listener = listener
        self._clock = clock
        self._hearing = Hearing()
        self._ear = Ear(self._hearing, clock=clock)
        self.disclosure = Hearing()
        self._ear_for_disclosure = Ear(self.disclosure, clock=clock)
        self.room = rtc.Room()
        self._over = asyncio.Event()
        self._over_at_s: float | None = None
        self._readers: set[asyncio.Task[None]] = set()

    def hang_up(self) -> None:
        if self._over_at_s is None:
            self._over_at_s = self._clock.monotonic()
            self._result.ended_by = self._result.ended_by or "caller"
        self._over.set()

    async def run(self, api: ApiClient, plan: CallPlan) -> None:
        clicked_s = self._clock.monotonic()
        token = await api.call_token(
            instructions=plan.instructions, language=plan.language, voice=plan.voice
        )
        self._result.call_id = token.call_id
        self._result.credits_per_minute = token.credits_per_minute
        self._result.token_s = self._clock.monotonic() - clicked_s
        self._listener.stage("ringing")
        microphone = Microphone()
        try:
            await self._join(token.url, token.access_token)
            self._result.joined_s = self._clock.monotonic() - clicked_s
            await microphone.publish(self.room)
            await self._talk_until_over(plan, microphone)
        finally:
            await self._leave()
            await microphone.close()
            self._conclude(clicked_s)

    async def _join(self, url: str, token: str) -> None:
        room = self.room
        room.on("track_subscribed", self._on_track)
        room.on("data_received", self._on_data)
        room.on("disconnected", self._on_disconnected)
        room.register_text_stream_handler(TRANSCRIPTION_TOPIC, self._on_text)
        await room.connect(url, token, rtc.RoomOptions(connect_timeout=CONNECT_TIMEOUT_S))
        for method, answer in RPC_ANSWERS.items():
            room.local_participant.register_rpc_method(method, self._rpc_handler(method, answer))

    async def _talk_until_over(self, plan: CallPlan, microphone: Microphone) -> None:
        """Until the plan's time is up, or the other side ends it."""
        conversation = Conversation(
            plan, microphone=microphone, hearing=self._hearing, clock=self._clock
        )
        self._result.turns = conversation.turns
        talk = asyncio.create_task(self._converse(conversation, plan))
        over = asyncio.create_task(self._over.wait())
        try:
            await asyncio.wait((talk, over), return_when=asyncio.FIRST_COMPLETED)
            if talk.done():
                talk.result()  # its error, if it has one, is ours
        finally:
            for task in (talk, over):
                task.cancel()
            await asyncio.gather(talk, over, return_exceptions=True)

    async def _converse(self, conversation: Conversation, plan: CallPlan) -> None:
        if not await conversation.greeting_heard():
            self._result.ended_by = "nobody_answered"
            return
        self._listener.stage("answered")
        first_s = self._hearing.first_s
        assert first_s is not None
        await conversation.talk(until_s=first_s + plan.seconds)

    async def _leave(self) -> None:
        """The stopwatch stops here, unless the other side stopped it before."""
        self.hang_up()
        if self.room.isconnected():
            await self.room.disconnect()
        await self._ear.close()
        await self._ear_for_disclosure.close()
        for reader in tuple(self._readers):
            reader.cancel()
        await asyncio.gather(*self._readers, return_exceptions=True)

    def _conclude(self, clicked_s: float) -> None:
        first_s = self._hearing.first_s
        sounds_s = [s for s in (self.disclosure.first_s, first_s) if s is not None]
        self._result.first_sound_s = min(sounds_s) - clicked_s if sounds_s else None
        self._result.heard_agent_s = self._hearing.total_s
        if first_s is not None and self._over_at_s is not None:
            self._result.first_audio_s = first_s - clicked_s
            self._result.talked_s = self._over_at_s - first_s

    def _on_track(
        self, track: rtc.Track, publication: rtc.TrackPublication, _who: rtc.RemoteParticipant
    ) -> None:
        if track.kind != rtc.TrackKind.KIND_AUDIO:
            return
        # The stopwatch runs for the voice that is paid for, not for the sentence before it.
        is_disclosure = publication.name == TRACK_DISCLOSURE
        (self._ear_for_disclosure if is_disclosure else self._ear).listen(track)

    def _on_disconnected(self, _reason: Any) -> None:
        if self._over_at_s is None:
            self._over_at_s = self._clock.monotonic()
            self._result.ended_by = "agent"
        self._over.set()

    def _on_data(self, packet: rtc.DataPacket) -> None:
        """Messages that we do not understand are not ours."""
        with contextlib.suppress(ValidationError):
            if packet.topic == TOPIC_METER:
                meter = MeterMessage.model_validate_json(packet.data)
                self._result.meters.append(meter)
                self._listener.meter(meter)
            elif packet.topic == TOPIC_NOTICE:
                notice = Notice.model_validate_json(packet.data)
                self._result.notices.append(notice)
                self._listener.notice(notice)

    def _on_text(self, reader: rtc.TextStreamReader, speaker: str) -> None:
        task = asyncio.create_task(self._read(reader, speaker))
        self._readers.add(task)
        task.add_done_callback(self._readers.discard)

    async def _read(self, reader: rtc.TextStreamReader, speaker: str) -> None:
        """The agent's words come as one stream a turn; ours as one stream an update."""
        ours = speaker == self.room.local_participant.identity
        attributes = reader.info.attributes or {}
        if ours and attributes.get("lk.transcription_final") == "false":
            return
        text = ""
        try:
            async for part in reader:
                text += part
        except rtc.StreamError:
            pass  # cut off by an interruption or the hang-up; what came was shown
        finally:
            self._show("you" if ours else "agent", text.strip())

    def _show(self, speaker: str, text: str) -> None:
        if text:
            caption = Caption(speaker, text, self._clock.monotonic())
            self._result.captions.append(caption)
            self._listener.caption(caption)

    def _rpc_handler(self, method: str, answer: dict[str, bool]) -> Any:
        async def handle(call: rtc.RpcInvocationData) -> str:
            self._result.rpcs.append(RpcReceived(method, json.loads(call.payload)))
            return json.dumps(answer)

        return handle
