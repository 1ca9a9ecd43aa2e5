"""Stripe's sender of webhooks, and all that a network does to it."""

import asyncio
import hashlib
import hmac
import json
import random
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field

from aiohttp import ClientError, ClientSession, ClientTimeout

from tests.fakes.stripe.account import Doc, StripeAccount
from tests.fakes.stripe.timeline import wall_s

Post = Callable[[bytes, dict[str, str]], Awaitable[int]]  # body, headers -> status

ATTEMPTS_MAX = 12  # Stripe gives up after three days
RETRY_S = 0.02  # the first pause; each doubles up to RETRY_S_MAX, so that tests are quick
RETRY_S_MAX = 0.5
ANSWER_S_MAX = 10.0
AT_ONCE_MAX = 16
HELD_S_MAX = 0.5


@dataclass(frozen=True, kw_only=True)
class WebhookFaults:
    """
    Chances between 0 and 1 for each delivery; `delay_s_max` spreads them, which also reorders.

    drop: lost for good. duplicate: sent twice. reorder: waits until a later event was sent.
    forge: a delivery with a wrong signature comes before the real one.
    fail: our answer is lost on the way, so that Stripe sends it again.
    """

    drop: float = 0
    duplicate: float = 0
    reorder: float = 0
    forge: float = 0
    fail: float = 0
    delay_s_max: float = 0


@dataclass
class Delivered:
    event_id: str
    status: int  # 0: no connection


@dataclass
class WebhookSender:
    """Silent until `to_url` or `to` names a receiver; events from then on are sent."""

    account: StripeAccount
    secret: str = "whsec_of_the_fake_and_long_enough"
    faults: WebhookFaults = WebhookFaults()
    seed: int = 0
    delivered: list[Delivered] = field(default_factory=list)
    dropped: list[str] = field(default_factory=list)
    given_up: list[str] = field(default_factory=list)
    _post: Post | None = None
    _session: ClientSession | None = None
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._dice = random.Random(self.seed)
        self._at_once = asyncio.Semaphore(AT_ONCE_MAX)
        self._held: list[asyncio.Event] = []

    def to_url(self, url: str) -> None:
        self._session = self._session or ClientSession(timeout=ClientTimeout(total=ANSWER_S_MAX))
        session = self._session

        async def post(body: bytes, headers: dict[str, str]) -> int:
            async with session.post(url, data=body, headers=headers) as answer:
                return answer.status

        self.to(post)

    def to(self, post: Post) -> None:
        """A receiver without a socket: called with body and headers, gives the status."""
        if self._post is None:
            self.account.listeners.append(self._heard)
        self._post = post

    def misbehave(self, faults: WebhookFaults, *, seed: int) -> None:
        self.faults, self._dice = faults, random.Random(seed)

    def signed(
        self, event: Doc, *, secret: str | None = None, at_s: float | None = None
    ) -> tuple[bytes, dict[str, str]]:
        """Body and headers of a delivery; by the wall's clock, as Stripe signs when it sends."""
        body = json.dumps(event, indent=2).encode()
        return body, signature_headers(body, secret or self.secret, at_s or wall_s())

    async def deliver(self, event: Doc, **signing: str | float) -> int:
        """One delivery, now, without faults; the receiver's status."""
        assert self._post, "nobody listens"
        body, headers = self.signed(event, **signing)  # type: ignore[arg-type]
        try:
            status = await self._post(body, headers)
        except (ClientError, OSError, TimeoutError):
            status = 0
        self.delivered.append(Delivered(event["id"], status))
        return status

    async def resend_all(self) -> None:
        """Every event of the account once more, in any order."""
        events = list(self.account.events)
        self._dice.shuffle(events)
        for event in events:
            await self.deliver(event)

    async def settled(self, timeout_s: float = 30) -> None:
        """Returns when nothing is on its way; raises TimeoutError."""
        async with asyncio.timeout(timeout_s):
            while self._tasks:
                self._release()  # nothing later comes for what waits to be overtaken
                await asyncio.wait(self._tasks, timeout=0.05)

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._session:
            await self._session.close()

    def _heard(self, event: Doc) -> None:
        if self._happens(self.faults.drop):
            self.dropped.append(event["id"])
            return
        for _ in range(2 if self._happens(self.faults.duplicate) else 1):
            task = asyncio.get_running_loop().create_task(self._bring(event))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _bring(self, event: Doc) -> None:
        """Until the receiver took it, with growing pauses."""
        await asyncio.sleep(self._dice.random() * self.faults.delay_s_max)
        if self._happens(self.faults.reorder):
            await self._overtaken()
        pause_s = RETRY_S
        for _ in range(ATTEMPTS_MAX):
            async with self._at_once:
                if self._happens(self.faults.forge):
                    await self.deliver(event, secret="whsec_of_somebody_else")
                status = await self.deliver(event)
            self._release()
            if 200 <= status < 300 and not self._happens(self.faults.fail):
                return
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 2, RETRY_S_MAX)
        self.given_up.append(event["id"])

    async def _overtaken(self) -> None:
        """Until a later delivery is through; not for ever, because none may come."""
        held = asyncio.Event()
        self._held.append(held)
        with suppress(TimeoutError):
            await asyncio.wait_for(held.wait(), HELD_S_MAX)

    def _release(self) -> None:
        for held in self._held:
            held.set()
        self._held.clear()

    def _happens(self, chance: float) -> bool:
        return self._dice.random() < chance


def signature_headers(body: bytes, secret: str, at_s: float) -> dict[str, str]:
    """Written from Stripe's description, not with the SDK, so that the two check each other."""
    stamped = f"{int(at_s)}".encode() + b"." + body
    signature = hmac.new(secret.encode(), stamped, hashlib.sha256).hexdigest()
    return {
        "Stripe-Signature": f"t={int(at_s)},v1={signature}",
        "Content-Type": "application/json; charset=utf-8",
    }
