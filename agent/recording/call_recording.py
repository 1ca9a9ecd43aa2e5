"""
The recording of one call: asks, records after a yes that is kept, forgets when it is taken back.

A call knows this and nothing behind it. Whatever fails here leaves a call without a recording, and
its caller pays the same.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Final

from livekit import rtc

from agent.page import Page
from agent.phone.keypad import Keypad
from agent.recording.consent import METHOD, Consent
from agent.recording.consent_line import ConsentLine
from agent.recording.read_out import ReadOut
from agent.recording.recorder import Recorder
from agent.recording.shelf import Shelf
from agent.recording.words import words_in
from shared.call_protocol import CallConfig, Notice
from shared.clock import Clock
from shared.log import get_logger
from shared.recording_protocol import ConsentAnswer, ConsentReport

log = get_logger(__name__)

# `billing/reaper.py` gives up a call whose clock does not begin within its opening; the question
# and its answer take 35 s of that at most, and an agent may have come late.
ASKED_WITHIN_S: Final = 30.0
LEAVE_MAX_S: Final = 6.0  # the last second of the tape, and a last word to the control plane


class CallRecording:
    """An `Overhears`. Made only where the call's configuration speaks of recording."""

    def __init__(
        self,
        *,
        config: CallConfig,
        room: rtc.Room,
        page: Page,
        line: ConsentLine,
        shelf: Shelf,
        clock: Clock,
    ) -> None:
        self._config = config
        self._room = room
        self._page = page
        self._line = line
        self._clock = clock
        self._words = words_in(config.language)
        self._began_s = clock.monotonic()
        self._tasks: set[asyncio.Task[None]] = set()
        self._beginning: asyncio.Task[None] | None = None
        self._consent = Consent(
            caller_identity=config.caller_identity,
            on_withdrawn=self._on_withdrawn,
            is_given=config.recording == "given",
        )
        self._recorder = Recorder(
            shelf=shelf,
            call_id=config.call_id,
            epoch=config.epoch,
            clock=clock,
            on_stopped=self._tell_off,
        )

    @property
    def is_asking(self) -> bool:
        return self._consent.is_asking

    @property
    def statement(self) -> str:
        """Exactly what the caller is asked, in the call's language."""
        words = self._words
        how = words.by_phone if self._config.channel == "phone" else words.by_page
        return f"{words.question} {how}"

    def watch(self) -> None:
        """Hear the caller's decisions. The room must be joined."""
        self._room.local_participant.register_rpc_method(METHOD, self._consent.handle)
        if self._consent.is_given:
            self._listen()
            self._tell_off()  # we record nothing; what another agent has recorded can be taken back

    async def ask(self, read_out: Callable[[str], ReadOut]) -> None:
        """Returns when the caller has answered, or has had the time for it."""
        if self._config.recording != "ask":
            return
        if self._clock.monotonic() - self._began_s > ASKED_WITHIN_S:
            log.info("recording_not_asked", call_id=str(self._config.call_id))
            return
        asked = self._later(self._report(None))
        self._listen()
        self._page.notify(
            Notice(
                kind="recording_question",
                message=self.statement,
                choices=[self._words.yes, self._words.no],
            )
        )
        try:
            question = read_out(self.statement)
        except RuntimeError as problem:  # the session is closing, and the call with it
            log.info("recording_not_asked", error=type(problem).__name__)
            return
        answer = await self._consent.ask(question.speech)
        log.info("recording_answered", call_id=str(self._config.call_id), reason=answer)
        self._beginning = self._later(self._begin(asked, answer))
        await question.cut_short()

    def heard(self, pcm: bytes) -> None:
        self._recorder.heard(pcm)

    def played(self, pcm: bytes, *, in_s: float) -> None:
        self._recorder.played(pcm, in_s=in_s)

    def cut(self) -> None:
        self._recorder.cut()

    async def leave(self) -> None:
        """The call is over. Bounded, whatever is still under way."""
        self._consent.close()
        finishing = asyncio.create_task(self._recorder.finish())
        _, late = await asyncio.wait({finishing, *self._tasks}, timeout=LEAVE_MAX_S)
        for task in late:
            task.cancel()

    async def _begin(self, asked: "asyncio.Task[None]", answer: ConsentAnswer) -> None:
        """The answer is kept first; only then there is a recording."""
        await asyncio.wait({asked})
        may_record = await self._report(answer)
        if may_record and self._consent.is_given and await self._recorder.start():
            if self._consent.is_given:
                self._tell_on()
                return
            await self._recorder.discard()
        self._tell_off()

    async def _take_back(self) -> None:
        await self._recorder.discard()
        self._tell_off()
        if self._beginning:
            await asyncio.wait({self._beginning})
        await self._line.withdraw(self._config.epoch)

    async def _report(self, answer: ConsentAnswer | None) -> bool:
        return await self._line.may_record(
            ConsentReport(
                epoch=self._config.epoch,
                language=self._config.language,
                statement=self.statement,
                answer=answer,
            )
        )

    def _on_withdrawn(self) -> None:
        self._later(self._take_back())

    def _listen(self) -> None:
        if self._config.channel == "phone":
            self._consent.listen(Keypad(self._room, self._config.caller_identity))

    def _tell_on(self) -> None:
        self._page.notify(
            Notice(kind="recording_on", message=self._words.on, choices=[self._words.stop])
        )

    def _tell_off(self) -> None:
        self._page.notify(Notice(kind="recording_off", message=self._words.off))

    def _later(self, work: Coroutine[Any, Any, Any]) -> "asyncio.Task[Any]":
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task
