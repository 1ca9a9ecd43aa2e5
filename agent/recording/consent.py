"""
May this call be recorded? Asked once, answered by the caller and by nobody else.

The question is read out and shown; the page answers by RPC, a telephone by key. Silence is a no. A
yes can be taken back at any moment of the call in the same ways.
"""

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from livekit import rtc
from livekit.agents.voice import SpeechHandle
from pydantic import BaseModel, ConfigDict, StrictBool, ValidationError

from agent.phone.keypad import Keypad
from shared.recording_protocol import ConsentAnswer

METHOD: Final = "pg.recordingConsent"
QUESTION_MAX_S: Final = 20.0  # to read it out; a model that needs longer does not read it out
ANSWER_MAX_S: Final = 15.0  # after the question
YES_KEY: Final = "1"
NO_KEY: Final = "2"


class Decision(BaseModel):
    """The payload of METHOD."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    consent: StrictBool


@dataclass(slots=True)
class Consent:
    """Of one call. `on_withdrawn`: what was recorded must go."""

    caller_identity: str
    on_withdrawn: Callable[[], None]
    is_given: bool = False
    _asked: "asyncio.Future[bool] | None" = None
    _listening: asyncio.Task[None] | None = None

    @property
    def is_asking(self) -> bool:
        """Whether somebody waits for the caller's answer."""
        return self._asked is not None

    async def ask(self, speech: SpeechHandle) -> ConsentAnswer:
        """What the caller says to the question in `speech`; they need not hear it out."""
        self._asked = asyncio.get_running_loop().create_future()
        reading = asyncio.ensure_future(speech.wait_for_playout())
        try:
            either: set[asyncio.Future[Any]] = {self._asked, reading}
            await asyncio.wait(either, timeout=QUESTION_MAX_S, return_when=asyncio.FIRST_COMPLETED)
            if reading.done() and not self._asked.done():
                await asyncio.wait({self._asked}, timeout=ANSWER_MAX_S)
            self.is_given = self._asked.done() and self._asked.result()
            return ("yes" if self.is_given else "no") if self._asked.done() else "none"
        finally:
            self._asked = None
            reading.cancel()

    def listen(self, keypad: Keypad) -> None:
        """From now on keys count as answers."""
        keypad.forget()
        self._listening = asyncio.create_task(self._take_keys(keypad), name="consent_keys")

    def close(self) -> None:
        """Nobody is heard any more."""
        if self._listening:
            self._listening.cancel()

    async def handle(self, invocation: rtc.RpcInvocationData) -> str:
        """METHOD: whether the decision changed anything. Raises RpcError for what is none."""
        if invocation.caller_identity != self.caller_identity:
            return _answer(accepted=False)
        try:
            decision = Decision.model_validate_json(invocation.payload)
        except ValidationError:
            code = rtc.RpcError.ErrorCode.APPLICATION_ERROR
            raise rtc.RpcError(code, "consent must be true or false") from None
        return _answer(accepted=self._take(yes=decision.consent))

    def _take(self, *, yes: bool) -> bool:
        if self._asked and not self._asked.done():
            self._asked.set_result(yes)
            return True
        if yes or not self.is_given:
            return False
        self.is_given = False
        self.on_withdrawn()
        return True

    async def _take_keys(self, keypad: Keypad) -> None:
        try:
            while True:
                key = await keypad.key()
                if key in (YES_KEY, NO_KEY):
                    self._take(yes=key == YES_KEY)
        finally:
            keypad.close()


def _answer(*, accepted: bool) -> str:
    return json.dumps({"accepted": accepted})
