"""
Brings finished recordings to the control plane, and what a crash has left as well.

It runs beside the charger, in a process without calls. A file goes when it was taken, or refused:
a recording without a kept yes is refused, so none stays. What nobody answers to is tried again for
days, and then it goes, too.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

import httpx2
from pydantic import SecretStr

from agent.charging_client import REFUSAL_STATUS
from agent.recording.shelf import FOLDER, Left, Shelf
from shared.clock import Clock
from shared.log import get_logger
from shared.recording_protocol import RECORDING_MEDIA_TYPE, RECORDINGS_PATH

log = get_logger(__name__)

LOOK_EVERY_S: Final = 1.0
RETRY_FIRST_S: Final = 2.0
RETRY_MAX_S: Final = 60.0
TIMEOUT_S: Final = 60.0  # 20 MB at 0.4 MB/s
PIECE_BYTES: Final = 256 * 1024
KEPT_S: Final = 7 * 24 * 3_600.0  # as long as the control plane takes one
TOO_LARGE: Final = 413


class Undelivered(Exception):
    """Nobody can tell whether it has arrived."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """One a worker group; several on a machine do not disturb each other."""

    shelf: Shelf
    http: httpx2.AsyncClient
    clock: Clock

    async def run(self) -> None:
        """Until cancelled."""
        retry_s = RETRY_FIRST_S
        while True:
            try:
                await self.round()
            except (Undelivered, OSError) as problem:
                log.warning("recordings_wait", error=str(problem), retry_after_s=retry_s)
                await asyncio.sleep(retry_s)
                retry_s = min(retry_s * 2, RETRY_MAX_S)
            else:
                retry_s = RETRY_FIRST_S
                await asyncio.sleep(LOOK_EVERY_S)

    async def round(self) -> int:
        """Deliver all there is, one after the other; how many. Raises Undelivered or OSError."""
        delivered = waiting = 0
        now_s = self.clock.now().timestamp()
        for left in self.shelf.left(now_s=now_s):
            is_too_old = now_s - left.path.stat().st_mtime > KEPT_S
            is_taken = not is_too_old and await self._is_taken(left)
            if is_taken is None:  # one that makes trouble does not keep the others here
                waiting += 1
                continue
            left.path.unlink(missing_ok=True)
            delivered += is_taken
        if waiting:
            raise Undelivered(f"{waiting} without an answer")
        return delivered

    async def _is_taken(self, left: Left) -> bool | None:
        """False for one that nobody wants, None where it may be wanted later."""
        try:
            answer = await self.http.post(
                f"{RECORDINGS_PATH}/{left.call_id}",
                params={"epoch": left.epoch},
                content=_pieces(left.file),
                headers={"Content-Type": RECORDING_MEDIA_TYPE},
            )
        except httpx2.HTTPError as problem:
            raise Undelivered(type(problem).__name__) from None
        if answer.status_code in REFUSAL_STATUS | {TOO_LARGE}:
            log.warning("recording_refused", call_id=str(left.call_id), status=answer.status_code)
            return False
        if not answer.is_success:
            return None
        log.info("recording_delivered", call_id=str(left.call_id))
        return True


def delivery_client(base_url: str, token: SecretStr) -> httpx2.AsyncClient:
    """To the control plane, with time for a whole recording."""
    return httpx2.AsyncClient(
        base_url=f"{base_url}/internal/v1",
        headers={"Authorization": f"Bearer {token.get_secret_value()}"},
        timeout=TIMEOUT_S,
        trust_env=False,
    )


def shelf_in(journal_dir: Path) -> Shelf:
    """Where the worker groups of this machine keep their recordings."""
    return Shelf(journal_dir / FOLDER)


async def _pieces(file: BinaryIO) -> AsyncIterator[bytes]:
    while piece := await asyncio.to_thread(file.read, PIECE_BYTES):
        yield piece
