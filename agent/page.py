"""
What the caller's page is told: the meter, words, and the calls that upstream's page answers.

Nothing here may ever hold up a call: every message is sent in the background, bounded, and a page
that does not answer is only logged.
"""

import asyncio
import json
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any

from livekit import rtc
from pydantic import BaseModel

from shared.call_protocol import TOPIC_METER, TOPIC_NOTICE, MeterMessage, Notice
from shared.log import get_logger

log = get_logger(__name__)

RPC_TIMEOUT_S = 2.0
SEND_TIMEOUT_S = 2.0
PENDING_MAX = 32  # messages under way; a page that takes none gets no more


@dataclass(slots=True)
class Page:
    room: rtc.Room
    caller_identity: str
    is_shown: bool = True  # a telephone shows nothing
    _pending: set[asyncio.Task[None]] = field(default_factory=set)

    def show_meter(self, message: MeterMessage) -> None:
        self._later(self._publish(TOPIC_METER, message))

    def notify(self, notice: Notice) -> None:
        self._later(self._publish(TOPIC_NOTICE, notice))

    def toast(self, title: str, *, variant: str) -> None:
        """`variant`: error, warning, success or info."""
        self._later(self._call("pg.toast", {"title": title, "variant": variant}))

    def error(self, code: str, message: str) -> None:
        """The page shows it and hangs up."""
        self._later(self._call("pg.error", {"error": code, "message": message}))

    async def sent(self) -> None:
        """Wait until what was said is under way, a moment at most."""
        if self._pending:
            await asyncio.wait(self._pending, timeout=SEND_TIMEOUT_S)

    def _later(self, sending: Coroutine[Any, Any, None]) -> None:
        if not self.is_shown or len(self._pending) >= PENDING_MAX:
            sending.close()
            return
        task = asyncio.get_running_loop().create_task(sending)
        self._pending.add(task)
        task.add_done_callback(self._pending.discard)

    async def _publish(self, topic: str, message: BaseModel) -> None:
        try:
            await asyncio.wait_for(
                self.room.local_participant.publish_data(
                    message.model_dump_json(),
                    reliable=True,
                    destination_identities=[self.caller_identity],
                    topic=topic,
                ),
                SEND_TIMEOUT_S,
            )
        except (TimeoutError, rtc.participant.PublishDataError) as problem:
            log.info("page_unreachable", kind=topic, error=type(problem).__name__)

    async def _call(self, method: str, payload: dict[str, str]) -> None:
        try:
            await self.room.local_participant.perform_rpc(
                destination_identity=self.caller_identity,
                method=method,
                payload=json.dumps(payload),
                response_timeout=RPC_TIMEOUT_S,
            )
        except rtc.RpcError as error:
            log.info("page_unreachable", kind=method, code=int(error.code))
